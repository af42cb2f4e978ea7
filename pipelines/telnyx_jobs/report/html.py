"""The report as one page of HTML that needs no network: its tables, and the charts around them."""

import base64
import hashlib
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from telnyx_jobs.errors import CannotWrite
from telnyx_jobs.files import write_whole
from telnyx_jobs.report.charts import charts_of
from telnyx_jobs.report.figures import Report
from telnyx_jobs.report.tables import tables_of, trend_table
from telnyx_jobs.report.wording import at, freshness_of, percent, remarks_of

_BREAKS = re.compile(r"(?<=.[/_])(?=.)")


def write_html(report: Report, file: Path) -> int:
    """Write the page whole or not at all, and replace an old one; returns its size in bytes."""
    page = html_page(report).encode()
    target = file.resolve()
    try:
        if target.exists() and not target.is_file():
            raise CannotWrite(f"{file} is not a plain file: give another --html")
        # whoever could read the old page can read the new one
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
        write_whole(target, page, mode=mode)
    except OSError as error:
        raise CannotWrite(
            f"{file} cannot be written ({error.strerror}): give --html a place that can"
        ) from None
    return len(page)


def html_page(report: Report) -> str:
    """The page, complete in itself."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["csp_hash"] = _csp_hash
    environment.filters["breakable"] = _breakable
    return environment.get_template("page.html").render(
        report=report,
        freshness=freshness_of(report),
        remarks=remarks_of(report),
        written_at=at(report.read_at),
        failure_rate=percent(report.totals.failure_rate),
        trend=trend_table(report),
        charts=list(charts_of(report)),
        tables=list(tables_of(report)),
    )


def _csp_hash(script: str) -> str:
    """The hash that a content security policy allows: no other script may run."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _breakable(text: str) -> Markup:
    """The text as markup that may break after a slash or an underscore: pointers have no spaces."""
    return Markup(_BREAKS.sub("<wbr>", str(escape(text))))
