"""The mistakes that somebody who writes a source makes: each is named with the source, the record and the fix."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from forebay.contracts.manifest import DataManifest
from forebay.errors import ConfigError, UserCodeError
from forebay.ingest.spark.session import spark_session
from forebay.ingest.spark.spool_pass import spool_records
from forebay.ingest.spark.spool_task import SpoolLimits
from forebay.ingest.spark.task_storage import LocalStorage
from forebay.settings import IngestConfig
from support.own_sources import DRAWN, own_source

Ingest = Callable[..., DataManifest]


def failure(run_ingest: Ingest, out: Path, settings: dict[str, str]) -> str:
    with pytest.raises(UserCodeError) as caught:
        run_ingest(out=out, **settings)
    assert not (out / "manifest.json").exists()
    return str(caught.value)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ('{"image": png(1)}', "record 3 is a dict, and must be a forebay.ingest.Record or a tuple"),
        ("(png(1),)", "record 3 is a tuple of 1, and must be"),
        ('("a.png", "a")', "record 3 has a str, where bytes of an image file or a uint8 array must be: read the bytes"),
        (
            '(Image.new("L", (2, 2)), "a")',
            r"record 3 has a Image, .*: numpy.asarray\(image\) gives its pixels, as image",
        ),
        ('(drawn(1) / 255, "a")', r"record 3 has pixels of type float64, where uint8 \(0 to 255\) must be, as image"),
        ('(np.zeros((2, 2, 4), np.uint8), "a")', r"record 3 has pixels of shape \(2, 2, 4\), where \(H, W\)"),
        ('(np.zeros((0, 2), np.uint8), "a")', "record 3 has pixels without any height or width as image"),
        ("(png(1), 1.5)", "record 3 has a float .'1.5'., where a text or a whole number must be, as label"),
        ("(png(1), True)", "record 3 has a bool"),
        ('(png(1), "a", 1)', "record 3 has a int .'1'., where a text or None must be, as split"),
        ('Record(png(1), "a", id=Record)', "as id"),
        ('Record("x", "a", id="photo 7")', r"record 3 \(photo 7\) has a str"),
    ],
)
def test_a_record_of_a_wrong_type_is_named_by_its_number(
    run_ingest: Ingest, tmp_path: Path, record: str, words: str
) -> None:
    text = f'def Shapes():\n    yield png(1), "a"\n    yield png(2), "b"\n    yield {record}\n'
    assert re.search(f"^shapes.py:Shapes: .*{words}", failure(run_ingest, tmp_path / "out", own_source(text)))


def test_an_exception_shows_the_record_and_the_users_lines(run_ingest: Ingest, tmp_path: Path) -> None:
    text = """
def Shapes():
    yield png(1), "a"
    yield png(2), "b"
    yield label()

def label():
    return {}["x"]
"""
    last = len((DRAWN + text).splitlines())
    called, raised = last - 3, last
    assert failure(run_ingest, tmp_path / "out", own_source(text)) == (
        f"shapes.py:Shapes: reading record 3 failed: shapes.py line {called} in Shapes: yield label(); "
        f"shapes.py line {raised} in label: return {{}}[\"x\"]; KeyError: 'x'"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Shapes = 3", "is a int: a source is a class or a function that yields records"),
        ("def Shapes(): return None", "it gave a NoneType, which is no row of records: yield them one by one"),
        ("def Shapes(): return {}", "it gave a dict, which is no row of records"),
        ("def Shapes(): return ()", "it gave no record. It was called with no options"),
        ("def Shapes(): return 1 / 0", "calling it failed: shapes.py line .*ZeroDivisionError"),
        ("def Shape(): yield 1", r"shapes.py has no Shapes. Did you mean Shape\?"),
        ("class Shapes:\n    def partitions(self): return []", r"partitions\(\) gave 0, of which 1 to 10000"),
        ("class Shapes:\n    def partitions(self): return [1.5]", r"gave list \[1.5\], where each must be a text"),
        ("class Shapes:\n    def partitions(self): return 'ab'", "gave str 'ab', where each must be a text"),
        ("class Shapes:\n    def fingerprint(self): return 7", r"fingerprint\(\) gave int 7, not a text"),
    ],
)
def test_a_source_that_is_none_is_refused_in_words(run_ingest: Ingest, tmp_path: Path, text: str, words: str) -> None:
    assert re.search(words, failure(run_ingest, tmp_path / "out", own_source(text)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("", "its options do not fit: missing a required argument: 'year'. It takes year; they stand behind"),
        ("?yaer=1&year=2", "its options do not fit: got an unexpected keyword argument 'yaer'. It takes year"),
        ("?year=1900", "it gave no record. It was called with {'year': '1900'}; see that these name what is there"),
    ],
)
def test_options_that_a_source_does_not_take_are_named(
    run_ingest: Ingest, tmp_path: Path, options: str, words: str
) -> None:
    assert words in failure(run_ingest, tmp_path / "out", own_source("def Shapes(year): return ()", options))


def test_an_error_in_one_partition_names_it(run_ingest: Ingest, tmp_path: Path) -> None:
    text = """
class Shapes:
    def partitions(self):
        return ["north", "south"]
    def records(self, where):
        yield png(1), "a"
        if where == "south":
            yield png(2), 0.5
"""
    assert "record 2 of partition 'south' has a float" in failure(run_ingest, tmp_path / "out", own_source(text))


def test_an_endless_source_is_stopped_and_named(spark: object, tmp_path: Path) -> None:
    text = 'import itertools\ndef Shapes():\n    for number in itertools.count():\n        yield png(number % 3), "a"\n'
    config = IngestConfig(**own_source(text))  # type: ignore[arg-type]
    with spark_session(tmp_path) as session:
        with pytest.raises(UserCodeError, match=r"it gave 51 records and has not ended; 50 are taken at most"):
            spool_records(session, config, LocalStorage(tmp_path), tmp_path, print, SpoolLimits(max_records=50))
        with pytest.raises(UserCodeError, match=r"after 1 records only \d+ MiB are free in .*, of which \d+ must stay"):
            spool_records(session, config, LocalStorage(tmp_path), tmp_path, print, SpoolLimits(min_free_bytes=1 << 60))


def test_a_file_without_its_text_says_who_fills_it_in(run_ingest: Ingest, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"ingest.source_code, which holds its text, is empty. The command line fills it"
    ):
        run_ingest("shapes.py:Shapes", tmp_path / "out")
