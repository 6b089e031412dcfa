"""What the jobs service refuses, each with a reason of `millrace.jobs.v1.ErrorReason`."""

import uuid

from server.errors import FailedPrecondition, FieldViolation, InvalidArgument, NotFound


class JobNotFound(NotFound):
    """No job has this id, or it was pruned."""

    def __init__(self, job_id: uuid.UUID) -> None:
        super().__init__(
            "No job has this id; finished ones are pruned after some time.",
            reason="JOB_NOT_FOUND",
            metadata={"job_id": str(job_id)},
        )


class QueueNotFound(NotFound):
    """No queue has this name."""

    def __init__(self, queue: str) -> None:
        super().__init__("No queue has this name.", reason="QUEUE_NOT_FOUND", metadata={"queue": queue})


class StateConflict(FailedPrecondition):
    """The job's state does not allow the change; `state` is that state."""

    def __init__(self, message: str, state: str) -> None:
        super().__init__(message, reason="STATE_CONFLICT", metadata={"state": state})


def refused_field(field: str, message: str) -> InvalidArgument:
    """A request with one wrong field; `field` is its proto path, the message says how to correct it."""
    return InvalidArgument(
        f"{field}: {message}", reason="INVALID_FIELD", fields=[FieldViolation(field, message)]
    )
