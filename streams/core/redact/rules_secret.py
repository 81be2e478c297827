"""Secrets: keys, tokens, passwords. What has a fixed prefix or stands beside a telling word."""

import re

from streams.core.redact.checks import long_secret, quoted_secret, secret, token
from streams.core.redact.rule import Rule

_WORDS = (
    r"(?:pass(?:word|wd|phrase|code)|pwd|secret|(?:api|access|secret|signing|encryption)[_-]?key|(?<=_)pass|(?<![a-z])(?:psk|pw)"
    r"|(?:access|auth|private|session|refresh|bearer|csrf|xsrf)[_-]?token|passwort|contraseña|mot de passe|senha"
    r"|wachtwoord)"
)
"""What a name ends with that holds a secret, in any case."""
_LONG_WORDS = r"(?:token|credentials?|sess(?:ion)?[_-]?id|jsessionid|phpsessid|connect\.sid|apikey|app[_-]?id)"
"""The same of names that hold ids and words as often."""
_LINK = r"[\"'\\]{0,3}[ \t]{0,8}(?:=>|:=|[:=>])[ \t]{0,8}"
_FLAGS = r"--(?:[a-z]+-)?(?:password|passwd|pass|token|secret|api-?key)"
_COMMANDS = (
    r"sshpass -p ?|mysql(?:dump|admin)?\b[^\n|;]{0,120}? -p|redis-cli\b[^\n|;]{0,120}? -a "
    r"|docker login\b[^\n|;]{0,120}? -p |curl\b[^\n|;]{0,200}? (?:-u|--user) ?[\"']?[^\s:\"'$]{1,64}:"
    r"|sqlplus [\w.]{1,64}/|convertto-securestring |login \S{1,64} password "
)
"""What stands before a password on a command line, and in a .netrc."""
_COMMANDS_HINT = r"sshpass |mysql|redis-cli |docker login |curl |sqlplus |securestring |login [^ ]{1,64} password "
_LINK_HINT = r"[\"'\\]{0,3}[ \t]{0,8}[:=>][^\n]{0,8}[^ \t\n]{6}"
_WORDS_HINT = (
    r"(?:pass(?:word|wd|phrase|code|wort|e)?|pwd|pw|psk|secret|(?:api|access|secret|signing|encryption)[_-]?key|senha"
    r"|(?:access|auth|private|session|refresh|bearer|csrf|xsrf)[_-]?token|contrase.{1,2}a|wachtwoord)" + _LINK_HINT
)
_LONG_HINT = (
    r"(?:token|credentials?|sess(?:ion)?[_-]?id|sessid|connect\.sid|apikey|app[_-]?id)"
    r"[\"'\\]{0,3}[ \t]{0,8}[:=>][^\n]{0,8}[^ \t\n]{16}"
)

SECRET_RULES: tuple[Rule, ...] = (
    Rule("PRIVATE_KEY", "-----BEGIN", re.compile(
        r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[A-Za-z0-9+/=\\\s:,.()<>@]|-(?!----)){0,20000}(?:-----END [A-Z0-9 ]{0,60}PRIVATE KEY(?: BLOCK)?-----)?"
    )),
    Rule("PRIVATE_KEY", "private-lines", re.compile(
        r"(?i)private-lines: \d{1,4}((?:\s{1,3}[a-z0-9+/=]{20,80}){1,200})"
    )),
    Rule("TOKEN", r"eyJ[A-Za-z0-9_-]{8}", re.compile(
        r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"
    )),
    Rule("API_KEY", r"(?:sk|rk)[-_][a-z0-9_-]{16}|gh[pousr]_|github_pat_|glpat-|A[KSBC][IC]A[A-Z0-9]{12}|AIza|ya29\."
         r"|xox[abeoprs]-|xapp-|hf_|npm_|pypi-|SG\.|dop_v1_|shpat_|sq0csp-|key-[a-f0-9]{16}|AGE-SECRET"
         r"|:AA[a-z0-9_-]{30}|sl\.[a-z0-9_-]{50}|secret_[a-z0-9]{40}|ntn_|1//0|/webhooks/|office\.com/webhook",
         re.compile(
        r"(?<![A-Za-z0-9])("
        r"sk-[A-Za-z0-9_-]{20,}|sk_(?:live|test)_[A-Za-z0-9]{16,}|rk_(?:live|test)_[A-Za-z0-9]{16,}"
        r"|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,}|glpat-[A-Za-z0-9_-]{20,}"
        r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}"
        r"|xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{36}"
        r"|pypi-[A-Za-z0-9_-]{50,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|dop_v1_[a-f0-9]{64}"
        r"|shpat_[a-fA-F0-9]{32}|sq0csp-[A-Za-z0-9_-]{43}|key-[a-f0-9]{32}|AGE-SECRET-KEY-1[A-Z0-9]{58}"
        r"|\d{8,10}:AA[A-Za-z0-9_-]{30,40}|sl\.[A-Za-z0-9_-]{60,}|secret_[A-Za-z0-9]{40,}|ntn_[A-Za-z0-9]{40,}"
        r"|1//0[A-Za-z0-9_-]{40,}|(?<=/webhooks/)\d{10,24}/[A-Za-z0-9_-]{50,}|(?<=office\.com/webhook)[^\s\"'<>]{40,}"
        r")(?![A-Za-z0-9])"
    ), lambda text: any(char.isdigit() for char in text)),
    Rule("TOKEN", "authorization", re.compile(
        r"(?i)\bauthorization[\"'\\]{0,3}[ \t]{0,8}[:=][ \t]{0,8}[\"'\\]{0,3}"
        r"(?:bearer|basic|token)[ \t]{1,8}([A-Za-z0-9._~+/=-]{8,})"
    )),
    Rule("TOKEN", "authorization", re.compile(
        r"(?i)\bauthorization[\"'\\]{0,3}[ \t]{0,8}[:=][ \t]{0,8}[\"'\\]{0,3}([A-Za-z0-9._~+/=-]{16,})(?![\w ])"
    ), long_secret),
    Rule("TOKEN", r"(?:bearer|basic|token)[ \t]{1,8}[A-Za-z0-9._~+/=-]{20}", re.compile(
        r"(?i)\b(?:bearer|basic|token)[ \t]{1,8}([A-Za-z0-9._~+/=-]{20,})"
    ), token),
    Rule("SECRET", _WORDS_HINT, re.compile(
        rf"(?i){_WORDS}{_LINK}[bru]?(?:\"([^\"\n\\]{{6,256}})\"|'([^'\n\\]{{6,256}})'|`([^`\n\\]{{6,256}})`)"
    ), quoted_secret),
    Rule("SECRET", _WORDS_HINT, re.compile(
        rf"(?i){_WORDS}{_LINK}[\"'\\]{{0,3}}([^\s\"'\\,;}}{{)(\[\]<>]{{8,256}}+)(?![(\[])"
    ), secret),
    Rule("SECRET", _LONG_HINT, re.compile(
        rf"(?i){_LONG_WORDS}{_LINK}[\"'\\]{{0,3}}([^\s\"'\\,;}}{{)(\[\]<>$&]{{16,512}}+)(?![(\[])"
    ), long_secret),
    Rule("SECRET", r"[?&][a-z_-]{2,24}=[a-z0-9._%+/=-]{16}", re.compile(
        r"(?i)[?&;](?:token|code|sig|signature|key|auth|session|sid|appid|x-amz-(?:signature|security-token)|jsessionid)="
        r"([A-Za-z0-9._%+/=~-]{16,2048})"
    ), token),
    Rule("SECRET", r"--[a-z-]{0,24}(?:pass|token|secret|key)", re.compile(
        rf"(?i)(?<![\w-]){_FLAGS}(?:=|[ \t]{{1,3}})[\"']?([^\s\"'<>${{}}|;&-][^\s\"'<>{{}}|;&]{{5,255}})"
    ), lambda text: not text.isalpha() and not text.startswith(("./", "/"))),
    Rule("SECRET", _COMMANDS_HINT, re.compile(
        rf"(?i)(?<![\w-])(?:{_COMMANDS})[\"']?([^\s\"'$|;&@][^\s\"'|;&@]{{4,127}})"
    )),
    Rule("SECRET", r"\$(?:2[abxy]|[156y]|apr1|argon2[a-z]{0,2}|pbkdf2[a-z0-9_-]{0,16}|scrypt)\$", re.compile(
        r"(?<![\w$])(\$(?:2[abxy]|[156y]|apr1|argon2(?:id|i|d)|pbkdf2[\w-]{0,16}|scrypt)\$[A-Za-z0-9./+=,$*-]{20,256})"
    )),
    Rule("API_KEY", "/bot[0-9]{8}", re.compile(r"/bot(\d{8,10}:[A-Za-z0-9_-]{30,40})")),
    Rule("SECRET", r"(?:pin|otp|code|passcode)[^\n]{0,32}[: ][0-9]{4}", re.compile(
        r"(?i)(?<![\w-])(?:my pin(?: code)?|otp|(?:verification|security|one-time|2fa|mfa|login) (?:pass)?code)"
        r"(?: (?:[a-z]{1,8} ){0,3}is| was|:)? ((?!(?:19|20)\d\d(?!\d))\d{4,8})(?![\w.]\w|\w)"
    )),
    Rule("SECRET", r"(?:password|passphrase|passcode) (?:is|was)", re.compile(
        r"(?i)\b(?:password|passphrase|passcode) (?:is|was)(?: now| set to)?[: ]{1,3}[\"'`]?"
        r"([^\s\"'`,;]{6,128}?)[\"'`]?(?=[.,;!?]?(?:\s|$))"
    ), secret),
    Rule("URL_CREDENTIALS", r"://[^\s/@]{0,128}:", re.compile(
        r"://([^\s/:@\"'<>]{0,128}:[^\s/@\"'<>]{1,256})@"
        r"|(?:postgres(?:ql)?|mysql|mariadb|rediss?|mongodb(?:\+srv)?|amqps?)(?:\+\w{1,16})?"
        r"://([^\s/:@\"'<>]{0,128}:[^\s@\"'<>]{1,256})@"
    ), lambda text: not text.startswith("[")),
)  # fmt: skip
