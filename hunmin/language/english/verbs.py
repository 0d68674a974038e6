"""Words by which an English request or question is known."""

_COMMANDS = """
    abbreviate accept adapt add adjust analyse analyze annotate apply arrange ask assemble assess assign
    brainstorm break bring build calculate capitalise capitalize categorise categorize change check
    choose cite clarify classify collect combine come compare compile complete compose compute
    concatenate conceive construct convert correct count craft create criticise criticize critique debug
    decide decode decompose deconstruct define deliver demonstrate derive describe detect determine
    develop devise diagnose differentiate discover discuss distinguish divide edit elaborate eliminate
    encode enumerate estimate evaluate examine expand explain explore express extend extract fetch find
    fix formulate generate give help highlight identify illustrate implement improve include incorporate
    indicate infer insert inspect interpret introduce invent investigate join justify keep label list
    locate make merge modify name optimise optimize organise organize output paraphrase parse perform
    pick plan plot predict prepare present prioritise prioritize produce prove provide rank rate read
    rearrange recommend recreate reduce refactor remove rephrase replace reply report represent resolve
    respond restate restructure retrieve return reverse review revise reword rewrite round search select
    separate share shorten show simplify sketch solve sort specify split spot state suggest summarise
    summarize tell transform translate turn update use validate verify visualise visualize write
"""
_NOUNS_TOO = """
    think take fill notify schedule
    answer ask break change check complete correct count design draft fix guess help highlight label
    link list name outline output plan plot present rank rate reply report return reverse review round
    search share show sketch sort split spot state turn update use
"""
_OPENERS = """
    of
    a an the this that these those me us my your our his her its their it them some any all both each
    every one two three four five six seven eight nine ten several many multiple at if whether how what
    which why when where who out up down into in from to as for between by with on through about briefly
    only
"""
_ABBREVIATIONS = """
    e.g. i.e. etc. vs. mr. mrs. ms. dr. prof. st. no. fig. eq. approx. inc. ltd. jr. sr. nov. dec. jan.
    feb. oct. sept. aug. u.s. u.k. a.m. p.m. cf. al. ca. vol. pp. p. sec. min. max.
"""
_ASKED_NOUNS = """
    advantage advantages age answer area author average benefit benefits capital cause causes color
    colour command complexity components concept consequences cost date definition difference
    differences disadvantages distance effect effects equation example examples factors features formula
    function goal history idea ideas impact importance language main meaning method methods name number
    odds origin output part parts population price probability process properties purpose reason reasons
    relation relationship result results risks role rules significance similarities size speed step
    steps structure symptoms syntax synonym temperature theme themes time tips total type types use uses
    value volume way ways word words year
"""

# Base forms that are a command at the start of a sentence; those that are nouns or adjectives as often are
# one only where an object or adverbial follows, which starts with an opener.
NOUNS_TOO = frozenset(_NOUNS_TOO.split())
COMMANDS = frozenset(_COMMANDS.split()) | NOUNS_TOO
OPENERS = frozenset(_OPENERS.split())
# Their full stop ends no sentence.
ABBREVIATIONS = frozenset(_ABBREVIATIONS.split())
# Nouns for which "What is the X of …?" and "Can you tell me the X of …?" ask the same.
ASKED_NOUNS = frozenset(_ASKED_NOUNS.split())
