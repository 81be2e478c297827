"""Short lists: countries, nationalities, lengths of IBANs. Written by hand from ISO 3166-1 and the IBAN registry."""

IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15,
    "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24, "SI": 19,
    "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip

COUNTRIES = (
    "Afghanistan|Albania|Algeria|Andorra|Angola|Argentina|Armenia|Australia|Austria|Azerbaijan|Bahamas|Bahrain|"
    "Bangladesh|Barbados|Belarus|Belgium|Belize|Benin|Bhutan|Bolivia|Bosnia(?: and Herzegovina)?|Botswana|Brazil|"
    "Brunei|Bulgaria|Burkina Faso|Burundi|Cambodia|Cameroon|Canada|Cape Verde|Central African Republic|Chad"
    "|Chile|China|"
    "Colombia|Comoros|Congo|Costa Rica|Croatia|Cuba|Cyprus|Czech Republic|Czechia|Denmark|Djibouti|Dominican Republic|"
    "Ecuador|Egypt|El Salvador|England|Equatorial Guinea|Eritrea|Estonia|Eswatini|Ethiopia|Faroe Islands|Fiji|Finland|"
    "France|French Guiana|French Polynesia|Gabon|Gambia|Germany|Ghana|Gibraltar|Great Britain|Greece|Greenland|Grenada|"
    "Guadeloupe|Guatemala|Guinea-Bissau|Guinea|Guyana|Haiti|Honduras|Hong Kong|Hungary|Iceland|India|Indonesia|Iran|"
    "Iraq|Ireland|Israel|Italy|Ivory Coast|Jamaica|Japan|Kazakhstan|Kenya|Kiribati|Kosovo|Kuwait|Kyrgyzstan|"
    "Laos|Latvia|Lebanon|Lesotho|Liberia|Libya|Liechtenstein|Lithuania|Luxembourg|Macau|Macedonia|Madagascar|"
    "Malawi|Malaysia|Maldives|Mali|Malta|Martinique|Mauritania|Mauritius|Mexico|Micronesia|Moldova|Monaco|Mongolia|"
    "Montenegro|Morocco|Mozambique|Myanmar|Namibia|Nauru|Nepal|Netherlands|New Caledonia|New Zealand|Nicaragua|Nigeria|"
    "Niger|North Korea|North Macedonia|Northern Ireland|Norway|Oman|Pakistan|Palau|Palestine|Panama|Papua New Guinea|"
    "Paraguay|Peru|Philippines|Poland|Portugal|Puerto Rico|Qatar|Romania|Russia|Rwanda|Saint Lucia|Samoa|San Marino|"
    "Saudi Arabia|Scotland|Senegal|Serbia|Seychelles|Sierra Leone|Singapore|Slovakia|Slovenia|Solomon Islands|Somalia|"
    "South Africa|South Korea|South Sudan|Spain|Sri Lanka|Sudan|Suriname|Sweden|Switzerland|Syria|Taiwan|Tajikistan|"
    "Tanzania|Thailand|Timor-Leste|Togo|Tonga|Trinidad and Tobago|Tunisia|Turkey|Turkmenistan|Tuvalu|Uganda|Ukraine|"
    "United Arab Emirates|United Kingdom|United States(?: of America)?|Uruguay|Uzbekistan|Vanuatu|Vatican City|"
    "Venezuela|Vietnam|Wales|Yemen|Zambia|Zimbabwe|USA|U\\.S\\.A\\.|UAE"
)
"""Names of countries and the like, an alternation for patterns; Georgia, Jordan and Chad are people as often."""

NATIONALITIES = (
    "Afghan|African|Albanian|Algerian|American|Angolan|Arab|Argentinian|Argentine|Armenian|Asian|Australian|Austrian|"
    "Azerbaijani|Bangladeshi|Belarusian|Belgian|Bolivian|Bosnian|Brazilian|British|Bulgarian|Burmese|Cambodian|Cameroonian|"
    "Canadian|Chechen|Chilean|Chinese|Colombian|Congolese|Croatian|Cuban|Cypriot|Czech|Danish|Dutch|Ecuadorian|Egyptian|"
    "English|Eritrean|Estonian|Ethiopian|Filipino|Finnish|Flemish|French|Georgian|German|Ghanaian|Greek|"
    "Greenlandic|Guatemalan|Haitian|Honduran|Hungarian|Icelandic|Igbo|Indian|Indonesian|Iranian|Iraqi|Irish|Israeli|Italian|"
    "Jamaican|Japanese|Jordanian|Kazakh|Kenyan|Korean|Kurdish|Kuwaiti|Latvian|Lebanese|Liberian|Libyan|Lithuanian|"
    "Macedonian|Malaysian|Maltese|Mexican|Moldovan|Mongolian|Moroccan|Namibian|Nepalese|Nepali|Nigerian|Norwegian|Pakistani|"
    "Palestinian|Panamanian|Paraguayan|Persian|Peruvian|Polish|Portuguese|Puerto Rican|Romanian|Russian|Rwandan|Saudi|"
    "Scottish|Senegalese|Serbian|Slovak|Slovakian|Slovenian|Somali|South African|Spanish|Sri Lankan|Sudanese"
    "|Swedish|Swiss|"
    "Syrian|Taiwanese|Tanzanian|Thai|Tibetan|Tunisian|Turkish|Ugandan|Ukrainian|Uruguayan|Uzbek|Venezuelan|Vietnamese|"
    "Welsh|Yemeni|Zambian|Zimbabwean|Hispanic|Latino|Catholic|Christian|Muslim|Jewish|Hindu|Buddhist|Protestant"
)
"""Adjectives of nationality and of belief, an alternation for patterns."""

STREET_WORDS = (
    "Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Terrace|Ter|Way|Parkway|Pkwy"
    "|Circle|Cir|Highway|Hwy|Trail|Trl|Crescent|Cres|Close|Row|Alley|Plaza|Walk|Grove|Gardens|Mews|Quay|Hill|Ridge|Loop"
    "|Path|Pike|Freeway|Crossing|Heights|Causeway|Esplanade|Parade|Rise|Vale|View|Wharf|Bypass|Turnpike"
)
STREET_ENDINGS = (
    "stra(?:ß|ss)e|str\\.|gasse|weg|platz|allee|ufer|damm|laan|straat|plein|gracht|kade|dreef|gade|vej|vænget|allé"
    "|gatan|vägen|stigen|gata|veien|vegen|katu|tie|kuja|polku"
)
"""Endings of street names in German, Dutch and Nordic towns."""
STREET_STARTS = (
    "[Rr]ue|[Aa]venue|[Aa]v\\.|[Bb]oulevard|[Bb]d|[Qq]uai|[Cc]hemin|[Rr]oute|[Ii]mpasse|[Pp]lace(?= d[eu])|[Aa]ll[ée]e"
    "|Via|Viale|Vicolo|Piazza|Corso|Strada"
    "|Calle|C/|Avenida|Avda\\.?|Av|Paseo|Plaza|Carrer|Rua|Travessa|Praça|Largo|Estrada|[Uu]lica|[Uu]l\\.|[Aa]l\\.|[Uu]lice|Jalan|Jl\\."
)
"""Words that street names begin with in Romance and Slavic languages."""
