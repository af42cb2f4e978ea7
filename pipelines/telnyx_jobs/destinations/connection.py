"""A connection to a warehouse by dlt's SQL client: names, queries, lock, and errors."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dlt
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.destination.exceptions import DestinationException
from dlt.destinations.exceptions import DatabaseTerminalException, DatabaseUndefinedRelation

from telnyx_jobs.destinations.answer import WrongQuery
from telnyx_jobs.errors import (
    BadConfiguration,
    CannotWrite,
    TelnyxJobsError,
    TryAgainLater,
    causes_of,
)
from telnyx_jobs.schema import RAW_SCHEMA, VIEW_SCHEMA, Table
from telnyx_jobs.source.dlt_log import without_log
from telnyx_jobs.source.sql import given, query_of
from telnyx_jobs.views.create import qualified

_BLANKS = {"text": "''", "bigint": "0", "timestamp": "now()"}
"""SQL of values that say nothing, by the types of keys."""
_LOCK_SECONDS = 10
"""How long a run waits for the server to notice that an earlier one was killed."""
_LONG_SECRET = 4
"""Characters of a secret that is replaced; a shorter one occurs in any text."""
_SECRET = re.compile("password|secret|token|key")


class Connection:
    """Our own connection, beside those of dlt's loads. `name` is dlt's name of the warehouse.

    `schemas` are the names there of `telnyx_raw` and `telnyx`.
    """

    def __init__(self, name: str, schemas: Mapping[str, str]) -> None:
        self.name = name
        self.schemas = schemas
        self._client: Any = None
        self._closed_client: Any = None
        """Knows the driver's errors and the credentials also when the connection is closed."""

    @property
    def client(self) -> Any:
        """dlt's SQL client."""
        assert self._client is not None, "the connection is not open"
        return self._client

    @property
    def is_open(self) -> bool:
        return self._client is not None

    @property
    def dialect(self) -> str:
        return str(self.client.capabilities.sqlglot_dialect)

    def open(self, pipeline: dlt.Pipeline) -> None:
        """Connect to where the pipeline loads."""
        self._client = self._closed_client = pipeline.sql_client()
        self._client.open_connection()

    def close(self) -> None:
        """Close the connection, which rolls back what is not committed."""
        client, self._client = self._client, None
        if client is not None and client.native_connection:
            client.close_connection()

    def interrupt(self) -> None:
        """Stop the statement that another thread waits for, where the driver can."""
        cancel = getattr(self.client.native_connection, "cancel", None)
        if cancel:
            cancel()

    def lock(self) -> None:
        """Block other syncs into this dataset: two would mix what they stage. PostgreSQL only."""
        if self.name != "postgres":
            return
        self.execute(f"set lock_timeout = '{_LOCK_SECONDS}s'")
        try:
            self.execute("select pg_advisory_lock(hashtext(%s))", self.schemas[RAW_SCHEMA])
        except DestinationException as error:
            if "lock timeout" not in str(error):
                raise
            raise TryAgainLater(
                f"another sync into {self.schemas[RAW_SCHEMA]} of this database is running: run "
                "again when it has ended"
            ) from None
        self.execute("set lock_timeout = 0")

    # names

    def named(self, schema: str, table: str) -> str:
        """The quoted name of a table or view, by the schema's usual name."""
        return qualified(self.client, self.schemas.get(schema, schema), table)

    def staged(self, table: str) -> str:
        """The name of the table in which dlt stages the rows of this one."""
        return self.named(self.client.staging_dataset_name, table)

    def columns(self, table: Table) -> str:
        return ", ".join(self.client.escape_column_name(name) for name in table.column_names)

    # SQL

    def execute(self, sql: str, *parameters: Any) -> Any:
        """Rows of a statement in the warehouse's own SQL, with `%s` for each parameter."""
        return self.client.execute_sql(sql, *given(self.dialect, parameters))

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query in the plain SQL that all warehouses share, times in UTC."""
        schemas = self.schemas[RAW_SCHEMA], self.schemas[VIEW_SCHEMA]
        return query_of(self.client, *schemas)(sql, parameters)

    def has(self, names: Iterable[str], table: Table | None = None) -> bool:
        """Whether all these tables or views exist, and have the columns of this table."""
        columns = self.columns(table) if table else "1 as found"
        try:
            for name in names:
                self.execute(f"select {columns} from {name} where 1 = 0")
        except DestinationException as error:
            # drivers differ in how they report a column that is missing
            if table is None and not isinstance(error, DatabaseUndefinedRelation):
                raise
            return False
        finally:
            self._set_time_zone()
        return True

    def vacuum(self, tables: Iterable[Table], staged: Iterable[Table]) -> None:
        """Rewrite tables without their dead rows, and what PostgreSQL's planner keeps of values.

        `staged` tables must be empty. Its log and backups still have the old rows.
        """
        raw = [(self.named(RAW_SCHEMA, table.name), table) for table in tables]
        for name, table in [*raw, *((self.staged(table.name), table) for table in staged)]:
            if not self.execute(f"select 1 from {name} limit 1"):
                self._without_statistics(name, table)
            self.execute(f"vacuum (full, analyze) {name}")
        # of a database of somebody else it is skipped with a warning
        self.execute("vacuum full pg_catalog.pg_statistic")

    def _without_statistics(self, name: str, table: Table) -> None:
        """Overwrite the planner's sample of an empty table, which `analyze` would leave."""
        blanks = {
            column.name: _BLANKS[column.type] for column in table.columns if not column.nullable
        }
        with self.client.begin_transaction():
            self.execute(
                f"insert into {name} ({', '.join(blanks)}) values ({', '.join(blanks.values())})"
            )
            self.execute(f"analyze {name}")
            self.execute(f"delete from {name}")

    def empty_staged(self, tables: Iterable[str]) -> None:
        with self.client.with_staging_dataset():
            self.client.truncate_tables(*tables)

    def _set_time_zone(self) -> None:
        """Set it again after each error, which resets the session in dlt's client."""
        if self.name == "postgres":
            # Python has no time before the year 1, where some zones are by then
            self.execute("set time zone 'UTC'")

    # errors

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Reports errors of dlt and the warehouse in one line, without credentials."""
        try:
            # each failure is reported once, here: any record contains the empty text
            with without_log(""):
                yield
        except (TelnyxJobsError, WrongQuery):
            raise
        except ImportError as error:
            extra = f"pip install 'telnyx-jobs[{self.name}]'"
            raise BadConfiguration(f"{self.name} needs more packages: {extra}") from error
        except ConfigurationException as error:
            raise BadConfiguration(
                f"{self.name} lacks its configuration, or cannot use it: set "
                f"DESTINATION__{self.name.upper()}__CREDENTIALS, or put it under "
                f"[destination.{self.name}.credentials] in .dlt/secrets.toml"
            ) from error
        except Exception as error:
            if not self._is_of_warehouse(error):
                raise
            raise CannotWrite(self._message(error)) from error

    def _message(self, error: BaseException) -> str:
        reason = self.reason(error)
        if isinstance(error, DatabaseTerminalException | DatabaseUndefinedRelation):
            return (
                f"{self.name} refuses a statement ({reason}): check the rights of its user, and "
                f"that nothing else changes the tables of {self.schemas[RAW_SCHEMA]}"
            )
        return (
            f"{self.name} cannot be reached or refuses ({reason}): check that it runs, its "
            "credentials and their rights"
        )

    def is_refusal(self, error: BaseException) -> bool:
        """Whether the warehouse was reached, and does not do what a statement wants."""
        while hasattr(error, "dbapi_exception"):
            error = error.dbapi_exception
        driver: Any = getattr(self._closed_client, "dbapi", None)
        if driver is None or isinstance(error, driver.OperationalError):
            return False
        return isinstance(error, driver.DatabaseError)

    def _is_of_warehouse(self, error: BaseException) -> bool:
        driver = getattr(self._closed_client, "dbapi", None)
        kinds = (DestinationException, getattr(driver, "Error", TryAgainLater))
        return any(isinstance(each, kinds) for each in causes_of(error))

    def reason(self, error: BaseException) -> str:
        """The reason in the driver's words, on one line."""
        inner = getattr(error, "inner_exc", None) or getattr(error, "dbapi_exception", None)
        while inner is not None and hasattr(inner, "dbapi_exception"):
            inner = inner.dbapi_exception
        lines = str(inner or error).strip().splitlines() or [type(error).__name__]
        text = lines[0][:300]
        secrets = self._secrets()
        for secret in secrets:
            if len(secret) >= _LONG_SECRET:
                text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "***", text)
        if any(secret in text for secret in secrets):
            return f"{type(inner or error).__name__}, not shown, since it may hold a secret"
        return text

    def _secrets(self) -> list[str]:
        credentials = getattr(self._closed_client, "credentials", None) or {}
        return [str(v) for name, v in dict(credentials).items() if v and _SECRET.search(name)]
