"""croissant.json: Croissant 1.1 with the fields of the responsible-AI vocabulary 1.0.

Sources: Croissant Format Specification 1.1 and Croissant RAI Specification 1.0 of MLCommons. Every data file stands in
it with its sha256; formats of columns that Croissant has types for have a record set over all their files.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from sinks.packages.columns import WrittenFile
from sinks.packages.facts import Column, PackageFacts
from sinks.packages.report.advice import biases, limits
from sinks.packages.report.escape import visible
from sinks.packages.report.figures import day, moment, percent
from sinks.packages.report.loading import Format, formats

Json = Mapping[str, object] | Sequence[object] | str | int | bool

_CONTEXT: Mapping[str, object] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = {
    "string": "sc:Text",
    "large_string": "sc:Text",
    "string_view": "sc:Text",
    "bool": "sc:Boolean",
    "int8": "cr:Int8",
    "int16": "cr:Int16",
    "int32": "cr:Int32",
    "int64": "cr:Int64",
    "float": "cr:Float32",
    "double": "cr:Float64",
}
_ENCODINGS = {
    ".parquet": "application/x-parquet",
    ".jsonl": "application/jsonlines",
    ".csv": "text/csv",
    ".json": "application/json",
}
_OTHER = "application/octet-stream"
_READABLE = (".parquet", ".jsonl", ".csv", ".jsonl.gz", ".csv.gz")


def croissant(facts: PackageFacts) -> bytes:
    """The document: indented JSON with a final newline."""
    known = formats(facts)
    described = [(one, columns) for one in known if _readable(one) and (columns := _columns(facts, one))]
    licence = facts.license or "unknown"
    document: dict[str, object] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": visible(facts.name),
        "alternateName": visible(facts.title or facts.name),
        "description": visible(facts.description or facts.recipe.description or facts.title or facts.name),
        "version": facts.version,
        "license": visible(licence),
        "dateCreated": day(facts.created_at),
        "datePublished": day(facts.created_at),
        "citeAs": f"{visible(facts.name)}, version {facts.version}",
        "keywords": ["llm-agents", "tool-use", "agent-traces", visible(facts.recipe.kind)],
        "usageInfo": "usage_guidelines.md",
        "isLiveDataset": False,
        "distribution": [
            *(_file_object(file) for one in known for file in one.files),
            *(_file_set(one) for one, _ in described),
        ],
        "recordSet": [*([_splits(facts)] if described else ()), *(_record_set(*pair) for pair in described)],
    }
    return (json.dumps(document | _responsible(facts), indent=2, ensure_ascii=False) + "\n").encode()


def _responsible(facts: PackageFacts) -> dict[str, object]:
    """Fields of the responsible-AI vocabulary."""
    redacted = ", ".join(f"{visible(count.name)} ({count.count})" for count in facts.redactions.counts)
    counted = "rows" if facts.traces is None else "runs"
    bases = ", ".join(f"{visible(count.name)} ({count.count} {counted})" for count in facts.consent_bases.counts)
    terms = [f"{visible(term.provider)}, {visible(term.model)}: {visible(term.summary)}" for term in facts.terms]
    recipe = f"recipe {visible(facts.recipe.name)} (sha256 {facts.recipe.hash})"
    sources = ", ".join(f"{source.table} version {source.version}" for source in facts.tables)
    policies = ", ".join(visible(count.name) for count in facts.policies.counts)
    return {
        "rai:dataCollection": "Events that LLM agents sent while they worked, and imported recordings of runs, joined "
        f"into whole runs. {percent(facts.simulation_share)} of the rows come from SIMULATION runs.",
        "rai:dataCollectionType": ["Software Collection", "Others"],
        "rai:dataCollectionMissingData": "Runs that were not seen to their end, runs without consent and runs that "
        "could not be redacted with certainty give no rows.",
        "rai:dataCollectionRawData": "Raw events are kept briefly, under restricted access, and are not part of this.",
        "rai:dataCollectionTimeFrame": [moment(facts.created_at)],
        "rai:dataPreprocessingProtocol": [
            "Joining of events, replacement of personal data and secrets, scoring, acceptance by policy "
            f"({policies or 'none'}), removal of near-duplicates, cutting into rows.",
            f"Rows were chosen by {recipe}, from {sources or 'no table'}.",
        ],
        "rai:dataAnnotationProtocol": [
            f"Quality scores, outcomes and weights are computed by rule; a person vouched for "
            f"{facts.human_validated.of('true')} of {facts.rows} rows."
        ],
        "rai:dataBiases": [visible(text) for text in biases(facts)] or ["No share of a name exceeds half of the rows."],
        "rai:dataLimitations": [visible(text) for text in limits(facts)],
        "rai:dataUseCases": [f"Built for the purpose {visible(facts.purpose)}.", *terms],
        "rai:personalSensitiveInformation": [
            f"Replaced before storage, by kind: {redacted or 'none'}. Remains are possible.",
            f"Basis of consent: {bases or 'not stated'}.",
        ],
        "rai:dataSocialImpact": "Models trained on it act for people: they may repeat mistakes, habits and gaps of the "
        "recorded agents. See the limits and biases.",
        "rai:dataReleaseMaintenancePlan": "Versions are immutable and numbered by semantic versioning; rows that are "
        "withdrawn are missing from the next version. See version_history.md.",
    }


def _file_object(file: WrittenFile) -> dict[str, object]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": file.path,
        "contentSize": f"{file.size_bytes} B",
        "encodingFormat": _encoding(file.path),
        "sha256": file.sha256,
    }


def _file_set(known: Format) -> dict[str, object]:
    return {
        "@type": "cr:FileSet",
        "@id": f"files/{known.config}",
        "name": f"files/{known.config}",
        "encodingFormat": _encoding(known.files[0].path),
        "includes": [_literal(path) for paths in known.by_split().values() for path in paths],
    }


def _splits(facts: PackageFacts) -> dict[str, object]:
    names = [split.name for split in facts.splits]
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [{"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"}],
        "data": [{"splits/name": name} for name in names],
    }


def _record_set(known: Format, columns: Sequence[Column]) -> dict[str, object]:
    name, files = f"rows/{known.config}", {"@id": f"files/{known.config}"}
    split = {
        "@type": "cr:Field",
        "@id": f"{name}/split",
        "name": f"{name}/split",
        "description": "split that the row is in, out of the name of its file",
        "dataType": "sc:Text",
        "references": {"field": {"@id": "splits/name"}},
        "source": {
            "fileSet": files,
            "extract": {"fileProperty": "fullpath"},
            "transform": {"regex": _split_pattern(known)},
        },
    }
    fields: Iterable[dict[str, object]] = (
        {
            "@type": "cr:Field",
            "@id": f"{name}/{column.name}",
            "name": f"{name}/{column.name}",
            "description": column.doc + (f" ({column.unit})" if column.unit else "") or column.name,
            **_data_type(column.type),
            "source": {"fileSet": files, "extract": {"column": column.name}},
        }
        for column in columns
    )
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": [split, *fields]}


def _data_type(arrow: str) -> dict[str, object]:
    if arrow.startswith("list<"):
        inner = arrow.removesuffix(">").rpartition(": ")[2]
        return {"dataType": _TYPES.get(inner, "sc:Text"), "isArray": True, "arrayShape": "-1"}
    return {"dataType": "sc:DateTime" if arrow.startswith("timestamp") else _TYPES.get(arrow, "sc:Text")}


def _columns(facts: PackageFacts, known: Format) -> tuple[Column, ...]:
    """Columns of a format whose values have a type in Croissant; JSON values have none."""
    return () if known.json_values() else known.columns(facts)


def _readable(known: Format) -> bool:
    return bool(known.by_split()) and all(file.path.endswith(_READABLE) for file in known.files)


def _split_pattern(known: Format) -> str:
    """Finds the split in a path, the last one of its names that stands by itself."""
    names = "|".join(sorted(map(re.escape, known.by_split())))
    return rf".*(?:^|[/_.-])({names})(?=[/_.-]|$)"


def _encoding(path: str) -> str:
    stem = path.removesuffix(".gz").removesuffix(".zst")
    return _ENCODINGS.get(stem[stem.rfind(".") :], _OTHER)


def _literal(path: str) -> str:
    """A glob that matches this path alone."""
    return re.sub(r"([*?\[])", r"[\1]", path)
