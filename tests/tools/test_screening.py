"""The list that a process screens against: the one that is named, or the demo's."""

from pathlib import Path

import pytest

from db.errors import InvalidInput
from tools.rules.sanctions import Subject, screen
from tools.screening import screening_index

ENTRY = '1,"MERIVANT, Osric","individual","TEST",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \n'


def test_named_list_is_read_with_the_aliases_beside_it(tmp_path: Path) -> None:
    (tmp_path / "SDN.CSV").write_text(ENTRY)
    (tmp_path / "ALT.CSV").write_text('1,2,"aka","Halloran Fisk",-0- \n')

    index = screening_index(tmp_path / "SDN.CSV")

    for name in ("Osric Merivant", "Halloran Fisk"):
        (hit,) = screen(Subject(name), index).hits
        assert hit.listed_name == "MERIVANT, Osric"


def test_demo_list_is_screened_against_where_none_is_named() -> None:
    assert screen(Subject("Tariel Gochaevich Vornadze"), screening_index(None)).hits


@pytest.mark.parametrize("text", [None, "no list at all\n"])
def test_list_that_cannot_be_read_stops_the_start(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "SDN.CSV"
    if text is not None:
        path.write_text(text)

    with pytest.raises(InvalidInput, match="SANCTIONS_LIST"):
        screening_index(path)
