"""The sanctions list of this process: read and indexed once, when it starts."""

from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path

from db.errors import InvalidInput
from tools.rules.sanctions import ScreeningIndex
from tools.rules.sanctions_list import read_list

DEMO_VERSION = "demo"


def screening_index(sdn: Path | None) -> ScreeningIndex:
    """Of the file named, in the format of OFAC's SDN.CSV, with the aliases of an ALT.CSV beside it; None: the made-up
    list of the demo. Its version is the day the file was last written. Raises InvalidInput.
    """
    if sdn is None:
        return _demo()
    aliases = sdn.with_name(sdn.name.replace("SDN", "ALT").replace("sdn", "alt"))
    try:
        alt = aliases.read_text() if aliases != sdn and aliases.exists() else ""
        version = datetime.fromtimestamp(sdn.stat().st_mtime, UTC).date().isoformat()
        return ScreeningIndex(read_list(version, sdn.read_text(), alt))
    except (OSError, ValueError) as exc:
        raise InvalidInput("SANCTIONS_LIST", str(exc)) from exc


@cache
def _demo() -> ScreeningIndex:
    data = files("tools.rules") / "data"
    return ScreeningIndex(
        read_list(DEMO_VERSION, (data / "demo_sdn.csv").read_text(), (data / "demo_alt.csv").read_text())
    )
