"""Errors on the wire: codes, details, and what an unforeseen exception says."""

import errno

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from millrace.errors import read_details
from server import errors
from server.db.error_facts import facts_for_log
from server.errors import FieldViolation, InvalidArgument, ResourceExhausted, Unauthenticated
from server.rpc.failures import outcome_of_exception
from server.rpc.status import outcome_of


def test_every_class_has_the_code_that_it_is_named_after() -> None:
    """A class of the tree without a code would be a bug that only its first raise shows."""
    for kind in errors.DomainError.__subclasses__():
        snake = "".join(f"_{c}" if c.isupper() else c.upper() for c in kind.__name__).lstrip("_")
        outcome = outcome_of(kind("Do it otherwise.", reason="WHY"))
        assert outcome.code.name.replace("_", "") == snake.replace("_", "").upper()


def test_a_subclass_has_the_code_of_its_parent() -> None:
    """Domains subclass without knowing codes."""

    class TooMany(ResourceExhausted):
        pass

    assert outcome_of(TooMany("Wait.", reason="R")).code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_details_reach_the_client() -> None:
    """Reason, metadata, fields and the time to wait survive the wire."""
    error = InvalidArgument(
        "Correct it.",
        reason="INVALID_FIELD",
        metadata={"link": "x"},
        fields=[FieldViolation("variants[0].sku", "must be shorter")],
        retry_after=1.5,
    )
    info, bad_request, retry = read_details(outcome_of(error).details)
    assert (info.domain, info.reason, dict(info.metadata)) == ("millrace", "INVALID_FIELD", {"link": "x"})
    assert [v.field for v in bad_request.field_violations] == ["variants[0].sku"]
    assert retry is not None
    assert retry.retry_delay.ToTimedelta().total_seconds() == 1.5


def test_unauthenticated_carries_no_details() -> None:
    """Nothing about a credential goes back."""
    status = status_pb2.Status.FromString(outcome_of(Unauthenticated("No.", reason="X")).details)
    assert not status.details


def test_many_violations_fit_into_a_header() -> None:
    """Details stay below what HTTP/2 peers accept, and say how many were left out."""
    fields = [FieldViolation(f"products[{n}].name", "must be shorter " * 40) for n in range(500)]
    outcome = outcome_of(InvalidArgument("Correct it.", reason="R", fields=fields))
    assert len(outcome.details) < 7000
    status = status_pb2.Status.FromString(outcome.details)
    bad_request = error_details_pb2.BadRequest()
    status.details[1].Unpack(bad_request)
    shown = len(bad_request.field_violations) - 1
    assert bad_request.field_violations[-1].description == f"and {500 - shown} more"


class _OriginalError(Exception):
    """What asyncpg's errors look like from SQLAlchemy."""

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__("secret inside")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConnectionRefusedError("secret inside"), "UNAVAILABLE"),
        (ConnectionResetError("secret inside"), "UNAVAILABLE"),
        (TimeoutError("secret inside"), "UNAVAILABLE"),
        (OSError(errno.EHOSTUNREACH, "secret inside"), "UNAVAILABLE"),
        (OSError("Multiple exceptions: secret inside"), "UNAVAILABLE"),
        (PoolTimeout("secret inside"), "UNAVAILABLE"),
        (OperationalError("SELECT 1", {}, _OriginalError(None)), "UNAVAILABLE"),
        (DBAPIError("SELECT 1", {}, _OriginalError("57P01")), "UNAVAILABLE"),
        (DBAPIError("SELECT 1", {}, _OriginalError("08006")), "UNAVAILABLE"),
        (DBAPIError("SELECT 1", {}, _OriginalError("53300")), "UNAVAILABLE"),
        (DBAPIError("SELECT 1", {}, _OriginalError("40P01")), "UNAVAILABLE"),
        (DBAPIError("SELECT 1", {}, _OriginalError("57014")), "DEADLINE_EXCEEDED"),
        (DBAPIError("SELECT 1", {}, _OriginalError("22021")), "INVALID_ARGUMENT"),
        (DBAPIError("SELECT 1", {}, _OriginalError("42703")), "INTERNAL"),
        (IntegrityError("SELECT 1", {}, _OriginalError("23505")), "INTERNAL"),
        (FileNotFoundError("secret inside"), "INTERNAL"),
        (OSError(errno.EIO, "secret inside"), "INTERNAL"),
        (KeyError("secret inside"), "INTERNAL"),
        (RuntimeError("secret inside"), "INTERNAL"),
    ],
)
def test_exceptions_end_as_codes_and_tell_nothing(error: Exception, code: str) -> None:
    """A store that is away is UNAVAILABLE, everything unforeseen INTERNAL, and no text gets out."""
    outcome = outcome_of_exception(error)
    assert outcome.code.name == code
    assert b"secret" not in outcome.details + outcome.message.encode()
    assert (b"RetryInfo" in outcome.details) == (code == "UNAVAILABLE")


def test_a_log_tells_where_postgres_failed_and_no_value() -> None:
    """Its messages quote what was stored, so only state, statement and place are kept."""
    original = _OriginalError("23505")
    original.__cause__ = ValueError("Key (email_key)=(secret inside) already exists.")
    failure = DBAPIError("INSERT INTO partners", {"email": "secret inside"}, original)
    try:
        raise failure
    except DBAPIError as error:
        facts = facts_for_log(error)
    assert "raise failure" in str(facts["traceback"])
    assert "secret" not in str(facts)
    assert (facts["sqlstate"], facts["statement"]) == ("23505", "INSERT INTO partners")
    unforeseen = KeyError("x")
    assert facts_for_log(unforeseen) == {"exc_info": unforeseen}
