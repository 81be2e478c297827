"""Short word lists, written by hand."""


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


ORDINARY = word_set(
    """a able about above access according account action actions actually add additional address after again agent
    all allow along already also although always am among amount an analysis and another answer any anyone
    anything api apply are around as ask assistant at available avoid away back bag baggage based basic be
    because been before being below best better between book booking both but button by call called can cancel
    cannot card case certainly change check checking choose city class click close code command complete
    completed confirm confirmation consider contains context continue correct could create created credit
    current currently customer data date day days days' details did different do does done don't down due during
    each either else email end english enough ensure enter error even ever every everything example exception
    expected failed false file files final finally find first fix flight flights follow following for found from
    full function further gb get give given go good got great had has have having he hello help her here hers hi
    him his how however i i'd i'll i'm i've id if important in include including information input instead
    insurance internal into is issue it it's item items its itself just keep key know last later least let let's
    like line list live log long look looking made main make many may maybe me member message method might model
    monday more morning most must my name need needs never new next no none not note nothing now number object
    observation of off ok okay on once one only open option or order other otherwise our out output over own
    page parameters part passenger passengers payment per perfect plan please point policy possible price print
    problem process profile provide provided python question re reason received refund regarding remove repeat
    request require required reservation response result results return returns right round run running same
    saturday see select send sent september set several she should show shows similarly since sir so solution
    some something soon sorry specific start state status step still stop string such sunday sure system table
    take task test tests than thank thanks that that's the their them then there there's therefore these they
    thing think this those though thought through thursday time to today tomorrow too tool total travel trip
    true try trying tuesday two type ui under understand unfortunately until up update updated upon us usd use
    used user using value verify version very via view want was way we we'll we've wednesday welcome well were
    what what's when where whether which while who whose why will wish with within without wonderful work
    working would wrong yes yesterday yet you you'd you'll you're you've your yours january february march april
    june july august october november december friday mr mrs ms dr jan feb mar apr jun jul aug sep oct nov dec
    mon tue wed thu fri sat sun am pm est utc gmt http https json html xml url sql csv pdf economy business
    basic silver gold regular visa mastercard certificate error exception traceback warning info debug none true
    alright absolutely additionally both considering during given hence hey how's i’m i’d i’ve it’s let’s
    moreover oh perhaps whenever wait well why's yeah you’re don’t can can't couldn't didn't doesn't won't isn't
    aren't wasn't"""
)
"""Words that begin sentences of people and agents and name nobody; also months, weekdays and words of trades."""

TECHNICAL = word_set(
    """agents api app array assert async bash batch bigquery boolean branch browser build builds bytes cache cargo
    celery chars claude clippy class client cluster commit commits config conda connected console container cron
    css csv cursor database debian debug deploy dict django docker dtype edit enum env epoch eslint exit explore
    express fail failed fails fastapi fedora file files flake8 flask float flush folder frame function git
    github gitignore gitlab glob golang gradle grep gpt handler head hook host http import index info init int
    java javascript jest job jobs json jupyter kafka kernel keras kubernetes lambda lib library lines linux list
    localhost log logger logs loop main make makefile marshmallow math maven merge method metrics migration mock
    model module mypy naive namespace nginx node noop npm null numpy object opus output package packages pandas
    param parameters parser passed patch path pep pip pipeline pixels port postgres process prompt pydantic
    pydicom pylint pytest python pytorch query queue rabbitmq react redis refactor regex release render repo
    request response retry rollback ruby ruff runs rust schema script scipy seconds sed server session setup
    shell socket sonnet spark sql sqlite sqlfluff stack stage state stderr stdin stdout step steps str string
    suite table tail task tasks tensor test tests thread threads token tokens tomcat traceback tuple typescript
    ubuntu unit unittest utf uuid validator variable version vite webpack windows worker workers world yaml yarn
    zookeeper goto git-lfs opencode alphabet nesterov adagrad jenkins haskell scrapy selenium puppeteer ansible
    puppet dijkstra bellman kruskal gunicorn uvicorn celery matplotlib seaborn numba cython"""
)
"""Words of programs and their output: never a person's name or a street on their own."""

NOT_ALONE = word_set(
    """will may summer rose grace mark bill frank art young brown green price king long day hope faith joy april
    june august autumn dawn eve iris ivy jade lily olive pearl ruby sky star stone wood woods rich gene jack pat
    rob sue ray max miles chase grant hunter mason parker carter cook baker miller taylor smith fisher porter
    turner walker page read reed rice rivers field fields ford forest garden glass gold gray grey hall hand
    hardy hart hill hills holiday house ice island jewel jordan judge justice lake lane law light little love
    low major marsh march may mercy merry mills moon moore north south east west noble page paris park parks
    penny piper pond pope power prince queen rain rayne ridge ring river robin rock rush sage sands sharp short
    silver singer small snow son song spring steel storm strong sun sunny swan sweet temple thorn thyme tower
    town trace true trust van victory violet virginia wall ward waters way weeks wells white wise wolf worth
    data bank best blue box bush case cash christian church city close cross dean do drew early early else
    english fine free french german good guy his honey ho in is joy jan an so to no my he we us me it at on or
    if by go ha le la de da di du von der den del bin al el mac san st saint dallas austin houston denver
    phoenix london sydney chelsea brooklyn madison lincoln washington jackson cleveland georgia china india
    israel ireland france holland carolina dakota montana savannah charlotte florence victoria adelaide berlin
    milan angel bishop buck carol chip cliff colt crystal daisy dale dash dot earnest ernest gale ginger glen
    happy harmony heather heaven holly jasmine jay jet job josh junior kit lance liberty lucky mike nick norm
    oak opal patience pierce poppy precious rusty sandy scarlet serenity sierra sterling teal tiffany tom
    trinity tucker van wade woody user test admin agent"""
)
"""Names that are words, places or particles as often: alone, such a part of a name is not replaced everywhere."""

PLACEHOLDERS = word_set(
    """string name none null nil n/a na unknown undefined true false email address phone example sample test user
    username required optional redacted hidden default any other object array number integer boolean anonymous
    guest root admin system assistant agent customer passenger tbd todo xxx value text yes no me self you"""
)
"""Values that only hold a place."""

ROBOTS = word_set("""root admin administrator user guest ubuntu system nobody daemon git test default postgres""")
"""Logins of no person."""

ROLES = word_set(
    """team teams product products support admin admins review reviewer reviewers department group bot service
    services security engineering sales marketing finance operations office desk staff manager owner owners people
    billing platform infra infrastructure quality legal design us full crew chief committee community"""
)
"""Words that name a part of a firm, not one of its people."""


def _is_of_things(word: str) -> bool:
    return word in ORDINARY or word in TECHNICAL or word in ROLES


def names_things(text: str) -> bool:
    """True of words of which one is ordinary, or of programs, or names a part of a firm: no person is called so."""
    return any(map(_is_of_things, text.lower().split()))


def is_phrase(text: str) -> bool:
    """True of two and more words that are all such: "Address not found" stands for a value, or tells of one."""
    words = text.lower().strip(".!").split()
    return len(words) > 1 and all(map(_is_of_things, words))
