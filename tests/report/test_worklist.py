"""`worklist`: the numbers that still fail, and request bodies for them."""

import csv
import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from support.demo_account import ACCOUNT, NOW
from support.syncs import api_of, complaint, error, failure, job, numbers, rows, run, sync_once
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.report.worklist import worklist, write_requests
from telnyx_jobs.settings import Settings

Json = dict[str, Any]

TESTS = Path(__file__).parents[1]
SPECIFICATION = json.loads((TESTS / "data" / "telnyx-2026-07.json").read_text())
EMERGENCY = "update_emergency_settings"


def published(folder: Path, *jobs: Json) -> Path:
    database = folder / "jobs.duckdb"
    with api_of(sorted(jobs, key=lambda each: str(each["created_at"]), reverse=True)) as api:
        sync_once(api, database)
    return database


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo account at one instant."""
    return published(tmp_path_factory.mktemp("demo"), *ACCOUNT.jobs(NOW))


def listed(database: Path) -> list[dict[str, str]]:
    out = StringIO()
    worklist(destination_for(Settings(database)), "csv", out, None)
    return list(csv.DictReader(StringIO(out.getvalue())))


def requested(database: Path, folder: Path) -> tuple[dict[str, Json], list[Json], set[str]]:
    """Each file's content, the printed rows, and the nulls left out."""
    out = StringIO()
    target = destination_for(Settings(database))
    nulls = write_requests(target, folder, "json", out, None)
    files = {path.name: json.loads(path.read_text()) for path in sorted(folder.iterdir())}
    return files, json.loads(out.getvalue()), nulls


def failed(number: int, parameters: Any, operations: Sequence[Json], **fields: Any) -> Json:
    return job(number, parameters=parameters, failed_operations=list(operations), **fields)


def test_the_list_is_the_view_with_its_errors(demo: Path) -> None:
    """Each number and type of the view is listed, with each error of its newest job."""
    found = {(row["phone_number_id"], row["job_type"], row["error_code"]) for row in listed(demo)}
    expected = rows(
        demo,
        """
        select numbers.phone_number_id, numbers.job_type, coalesce(errors.error_code, '')
        from telnyx.failing_phone_numbers as numbers
        left join telnyx.job_operation_errors as errors
            on errors.job_id = numbers.last_job_id
            and errors.phone_number_id = numbers.phone_number_id
        """,
    )
    assert found == set(expected)
    assert len(found) > 200


def test_what_was_sent_stands_beside_the_error(tmp_path: Path) -> None:
    """A text as it is, other values as JSON, nothing where the pointer leads nowhere."""
    sent = {"connection_id": "12", "tags": ["a", "b"], "voice": {"x": None}, "hd": True}
    pointers = ["/connection_id", "/tags", "/tags/1", "/hd", "/base", "/voice/x/y", "hd", ""]
    errors = [error(str(place), pointer) for place, pointer in enumerate(pointers)]
    database = published(tmp_path, failed(1, sent, [failure(1, *errors), failure(2)]))
    assert [(row["phone_number"], row["sent_value"]) for row in listed(database)] == [
        ("+15550000001", "12"),
        ("+15550000001", '["a","b"]'),
        ("+15550000001", "b"),
        ("+15550000001", "true"),
        *[("+15550000001", "")] * 4,
        ("+15550000002", ""),
    ]


def test_the_batches_are_the_view(demo: Path, tmp_path: Path) -> None:
    """Files and numbers left out, each with a reason, are exactly the view's numbers and types."""
    files, printed, _ = requested(demo, tmp_path / "requests")
    view = rows(demo, "select phone_number, job_type from telnyx.failing_phone_numbers")
    written = [
        (number, content["path"].rpartition("/")[2])
        for content in files.values()
        for number in content["body"]["phone_numbers"]
    ]
    left_out = [row for row in printed if row["request"] is None]
    named = [(row["phone_number"], row["job_type"]) for row in left_out]

    assert sorted(written + named) == sorted(view)
    assert len(written) > 200
    assert all(row["left_out"] for row in left_out)
    assert {row["request"] for row in printed} - {None} == set(files)


def test_the_bodies_are_valid(demo: Path, tmp_path: Path) -> None:
    """Each body is one that Telnyx's specification allows, without the PIN."""
    files, _, _ = requested(demo, tmp_path / "requests")
    for name, content in files.items():
        post = SPECIFICATION["paths"][content["path"]]["post"]
        schema = post["requestBody"]["content"]["application/json"]["schema"]
        validator = Draft202012Validator(schema | {"components": SPECIFICATION["components"]})
        assert list(validator.iter_errors(content["body"])) == [], name
        assert content["method"] == "POST"
        assert name.endswith(f"-{content['path'].rpartition('/')[2]}.json")
        assert "external_pin" not in json.dumps(content)


def test_numbers_with_the_same_parameters_share_requests_of_a_thousand(tmp_path: Path) -> None:
    """Order of names, PIN and targets do not part two jobs; other values do; 1,000 fit in one."""
    one = {"connection_id": "1", "tags": [], "external_pin": "1234", "phone_numbers": [1]}
    same = {"tags": [], "connection_id": "1", "phone_numbers": ["+15550001001"]}
    other = {"connection_id": "1", "tags": ["x"]}
    database = published(
        tmp_path,
        failed(1, one, [failure(n) for n in range(1000)]),
        failed(2, same, [failure(1000)]),
        failed(3, other, [failure(1001)]),
    )
    files, _, _ = requested(database, tmp_path / "requests")

    sizes = {name: len(content["body"]["phone_numbers"]) for name, content in files.items()}
    assert sorted(sizes.values()) == [1, 1, 1000]
    assert list(sizes) == [f"{place:03}-update_phone_numbers.json" for place in (1, 2, 3)]
    settings = [
        {name: value for name, value in content["body"].items() if name != "phone_numbers"}
        for content in files.values()
    ]
    assert sorted(map(json.dumps, settings)) == sorted(
        json.dumps(each)
        for each in (
            {"connection_id": "1", "tags": []},
            {"connection_id": "1", "tags": []},
            {"connection_id": "1", "tags": ["x"]},
        )
    )


def test_ids_and_numbers_are_not_mixed(tmp_path: Path) -> None:
    """A number that the API names by its id alone is in a request of ids."""
    by_id = {"id": "19", "errors": []}
    database = published(tmp_path, failed(1, {"tags": ["x"]}, [by_id, failure(2)]))
    files, _, _ = requested(database, tmp_path / "requests")
    assert sorted(content["body"]["phone_numbers"] for content in files.values()) == [
        ["+15550000002"],
        ["19"],
    ]


def test_what_no_body_can_be_made_of_is_named(tmp_path: Path) -> None:
    """Without a known type, parameters, allowed values or a usable number: named with a reason."""
    voice = {"voice": {"usage_payment_method": "per-minute"}}
    database = published(
        tmp_path,
        failed(1, {"tags": ["x"]}, [failure(1)], type=None),
        failed(2, {"tags": ["x"]}, [failure(2)], type="unheard_of"),
        failed(3, {}, [failure(3)]),
        failed(4, None, [failure(4)]),
        failed(5, {"external_pin": "1234"}, [failure(5)]),
        failed(6, {"billing_group_id": None}, [failure(6)]),
        failed(7, voice, [failure(7)]),
        failed(8, {"emergency_address_id": "1"}, [failure(8)], type=EMERGENCY),
        failed(9, {"tags": ["x"]}, [{"phone_number": "12025550100", "errors": []}]),
        failed(10, {"tags": "x"}, [failure(10)]),
    )
    files, printed, _ = requested(database, tmp_path / "requests")
    reasons = {row["phone_number"][-2:]: row["left_out"] for row in printed}

    assert files == {}
    assert {row["request"] for row in printed} == {None}
    no_type, no_parameters = "its job has no type", "Telnyx shows no parameters"
    for number, reason in {
        "01": no_type,
        "02": no_type,
        "03": no_parameters,
        "04": no_parameters,
        "05": no_parameters,
        "06": "are null",
        "07": "`$.voice.usage_payment_method`",
        "08": "emergency_enabled",
        "00": "neither an E.164 number nor an id",
        "10": "`$.tags`",
    }.items():
        assert reason in reasons[number], number
    assert len(reasons) == 10


def test_nulls_are_left_out_where_a_request_must_not_have_them(tmp_path: Path) -> None:
    """They are reported by their pointers; the address of a disabled service stays null."""
    disabled = {"emergency_enabled": False, "emergency_address_id": None}
    database = published(
        tmp_path,
        failed(1, {"billing_group_id": None, "tags": []}, [failure(1)]),
        failed(2, disabled, [failure(2)], type=EMERGENCY),
        failed(3, {"whatever": None}, [failure(3)], type="delete_phone_numbers"),
    )
    files, _, nulls = requested(database, tmp_path / "requests")

    assert nulls == {"/billing_group_id"}
    assert [content["body"] for content in files.values()] == [
        {"phone_numbers": ["+15550000003"]},
        disabled | {"phone_numbers": ["+15550000002"]},
        {"tags": [], "phone_numbers": ["+15550000001"]},
    ]


def test_masked_numbers_are_refused(tmp_path: Path) -> None:
    """A file that holds masks is exit 78, and no folder is made; its list is printed."""
    environ = {}
    with api_of([failed(1, {"tags": []}, [failure(1)], phone_numbers=numbers(1))]) as api:
        environ = {"TELNYX_BASE_URL": api.url, "TELNYX_API_KEY": api.key}
        assert run(tmp_path, "sync", "--mask-phone-numbers", environ=environ).returncode == 0
    done = run(tmp_path, "worklist", "--requests", "made")
    assert done.returncode == 78
    assert "masked" in complaint(done)
    assert not (tmp_path / "made").exists()
    assert run(tmp_path, "worklist").returncode == 0


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    """A folder that is not empty is exit 78 and keeps what it has."""
    database = published(tmp_path, failed(1, {"tags": []}, [failure(1)]))
    environ = {"TELNYX_JOBS_DATABASE": str(database)}
    arguments = ("worklist", "--requests", "made", "--format", "json")
    assert run(tmp_path, *arguments, environ=environ).returncode == 0
    file = tmp_path / "made" / "001-update_phone_numbers.json"
    file.write_text("mine")
    done = run(tmp_path, *arguments, environ=environ)
    assert (done.returncode, done.stdout) == (78, "")
    assert "not an empty folder" in complaint(done)
    assert [path.name for path in (tmp_path / "made").iterdir()] == [file.name]
    assert file.read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_74(tmp_path: Path) -> None:
    """It names the folder, and nothing is left behind."""
    database = published(tmp_path, failed(1, {"tags": []}, [failure(1)]))
    (tmp_path / "file").write_text("")
    environ = {"TELNYX_JOBS_DATABASE": str(database)}
    done = run(tmp_path, "worklist", "--requests", "file/made", environ=environ)
    assert done.returncode == 74
    assert "file/made" in complaint(done)
