"""Jobs and queues as the contract shows them, and payloads as they are sent to us."""

import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from millrace.jobs.v1.job_pb2 import Job as JobMessage
from millrace.jobs.v1.job_pb2 import JobLogLine, JobProgress, JobRun
from millrace.jobs.v1.queue_pb2 import Queue, QueueDepth, QueuePercentiles
from server.jobs.errors import refused_field
from server.jobs.figures import QueueFigures, Spread
from server.jobs.models import Job
from server.rpc.structs import NotFinite, struct_object


def outline_message(job: Job) -> JobMessage:
    """The job without its payload, traceback, history, log and result."""
    return JobMessage(
        job_id=str(job.job_id),
        task=job.task,
        version=job.version,
        queue=job.queue,
        priority=job.priority,
        state=JobMessage.State.Value(job.state),
        unique_key=job.unique_key,
        run_at=_instant(job.run_at),
        enqueued_at=_instant(job.enqueued_at),
        attempt=job.attempt,
        failures=job.failures,
        expiries=job.expiries,
        worker=job.worker,
        started_at=_instant(job.started_at),
        lease_until=_instant(job.lease_until),
        finished_at=_instant(job.finished_at),
        cancel_requested_at=_instant(job.cancel_requested_at),
        error=job.error,
        progress=_progress(job),
        request_id=job.request_id,
    )


def job_message(job: Job) -> JobMessage:
    """The job with all that is known of it."""
    message = outline_message(job)
    json_format.ParseDict(_showable(job.payload), message.payload)
    if job.traceback is not None:
        message.traceback = job.traceback
    message.history.extend(map(_run, job.history))
    message.log.extend(map(_log_line, job.log))
    if job.result is not None:
        message.result.CopyFrom(json_format.ParseDict(_showable(job.result), Value()))
    return message


def queue_message(figures: QueueFigures) -> Queue:
    """A queue with its figures."""
    return Queue(
        queue=figures.queue,
        paused=figures.paused_at is not None,
        paused_at=_instant(figures.paused_at),
        paused_by=figures.paused_by,
        depth=QueueDepth(**{state.lower(): jobs for state, jobs in figures.depth.items()}),
        oldest_ready_age_seconds=figures.oldest_ready_age,
        throughput_per_second=figures.throughput,
        failure_rate=figures.failure_rate,
        wait_seconds=_percentiles(figures.wait),
        run_seconds=_percentiles(figures.run),
    )


def _showable(value: Any) -> Any:
    """The JSON value with integers that no double can hold as texts."""
    match value:
        case dict():
            return {name: _showable(each) for name, each in value.items()}
        case list():
            return [_showable(each) for each in value]
        case int() if abs(value) > sys.float_info.max:
            return str(value)
        case _:
            return value


def read_payload(payload: Struct) -> dict[str, Any]:
    """The JSON object, whole numbers as such; raises InvalidArgument for numbers that JSON cannot hold."""
    try:
        return struct_object(payload)
    except NotFinite as error:
        raise refused_field("payload", "must not contain NaN or infinite numbers") from error


def _progress(job: Job) -> JobProgress | None:
    if job.progress_done is None and job.progress_total is None and job.progress_note is None:
        return None
    return JobProgress(done=job.progress_done or 0, total=job.progress_total, note=job.progress_note or "")


def _run(turn: Mapping[str, Any]) -> JobRun:
    return JobRun(
        attempt=turn["attempt"],
        outcome=turn["outcome"],
        worker=turn.get("worker"),
        started_at=_written_instant(turn.get("started_at")),
        ended_at=_written_instant(turn.get("ended_at")),
        error=turn.get("error"),
    )


def _log_line(line: Mapping[str, Any]) -> JobLogLine:
    return JobLogLine(at=_written_instant(line["at"]), attempt=line["attempt"], line=line["line"])


def _percentiles(spread: Spread | None) -> QueuePercentiles | None:
    return None if spread is None else QueuePercentiles(p50=spread.p50, p95=spread.p95, p99=spread.p99)


def _instant(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp


def _written_instant(text: str | None) -> Timestamp | None:
    return None if text is None else _instant(datetime.fromisoformat(text))
