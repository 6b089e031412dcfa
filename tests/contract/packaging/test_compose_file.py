"""docker-compose.yml is well formed, hardened, complete for production, and starts in an order that works."""

import re
import subprocess
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pytest
from pydantic_settings import BaseSettings

import edge.lifetime
import server.rpc.host
from edge.settings import Settings as EdgeSettings
from server.settings import Settings as ServerSettings
from server.standalone.bucket_door.app import FINISH_SECONDS
from server.standalone.bucket_door.settings import DoorSettings
from server.standalone.migrate import MigrateSettings
from tests.contract.packaging.compose_file import (
    FILE,
    OURS,
    ROOT,
    ComposeFile,
    VariableMissing,
    load_compose_file,
    variables_named,
)
from tools.image_file import read_instructions
from workers.drain.settings import DrainSettings
from workers.process_settings import ProcessSettings
from workers.settings import WorkerSettings

SETTINGS: Mapping[str, type[BaseSettings]] = {
    "edge": EdgeSettings,
    "server": ServerSettings,
    "drain": DrainSettings,
    "worker": WorkerSettings,
    "scheduler": ProcessSettings,
    "bucket-door": DoorSettings,
    "migrate": MigrateSettings,
}
# Elasticsearch writes its keystore into its own configuration folder.
WRITABLE = {"elasticsearch"}
PUBLISHED = {"edge", "bucket-door", "mail"}
SERVICES = sorted(load_compose_file(dict.fromkeys(variables_named(), "x")).services)


def test_the_file_keeps_to_the_compose_specification() -> None:
    """The schema that the specification publishes accepts it."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    checked = subprocess.run(command, check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("process", OURS)
def test_every_variable_is_one_that_the_process_reads(compose: ComposeFile, process: str) -> None:
    """A misspelt variable would be ignored without a word."""
    known = {f"MILLRACE_{name.upper()}" for name in SETTINGS[process].model_fields}
    unknown = compose.environment(process).keys() - known - {"PYTHON_CPU_COUNT"}
    assert unknown == set()


@pytest.mark.parametrize("process", OURS)
def test_the_settings_suffice_in_production(
    compose: ComposeFile, process: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a fresh .env each process accepts its settings, and none of them is a built-in secret."""
    environment = {**image_environment(), **compose.environment(process)}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings: Any = SETTINGS[process]()
    assert str(getattr(settings, "mode", "production")) == "production"


def image_environment() -> dict[str, str]:
    """What the image itself sets for our processes."""
    text = (ROOT / "Dockerfile").read_text()
    lines = [instruction.rest for instruction in read_instructions(text) if instruction.word == "ENV"]
    return dict(re.findall(r"(MILLRACE_\w+)=(\S+)", " ".join(lines)))


def test_the_variables_of_a_fresh_env_are_all_that_is_required(variables: dict[str, str]) -> None:
    """Compose stops for nothing else, and `compose-env` writes nothing that the file does not read."""
    load_compose_file(variables)
    assert variables.keys() <= variables_named()


@pytest.mark.parametrize(
    "name",
    [
        "MILLRACE_JWT_SECRETS",
        "MILLRACE_EDGE_TOKEN",
        "POSTGRES_PASSWORD",
        "REDIS_PASSWORD",
        "S3_ACCESS_KEY",
        "S3_SECRET_KEY",
    ],
)
def test_a_missing_secret_is_said(variables: dict[str, str], name: str) -> None:
    """There is no default for a secret, and the refusal says where one comes from."""
    with pytest.raises(VariableMissing, match=f"{name}: .*compose-env"):
        load_compose_file({**variables, name: ""})


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_says_how_it_is_or_ends(compose: ComposeFile, name: str) -> None:
    """A service has a health check; one without is a step that is not started again."""
    service = compose.services[name]
    if service["healthcheck"].get("disable"):
        assert service["restart"] == "no"
    else:
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
        assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_confined(compose: ComposeFile, name: str) -> None:
    """No capabilities, no new privileges, a read-only file system, and bounds for memory and processes."""
    service = compose.services[name]
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is (name not in WRITABLE)
    assert {"memory", "pids"} <= service["deploy"]["resources"]["limits"].keys()


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(compose: ComposeFile, name: str) -> None:
    """A version to the patch level, and no registry's host; our own is built here and never fetched."""
    image = compose.services[name]["image"]
    repository, _, tag = image.partition(":")
    assert "." not in repository.split("/")[0]
    if name in OURS:
        assert compose.services[name]["pull_policy"] == "never"
    else:
        assert re.fullmatch(r"v?\d+\.\d+\.\d+(-\w+)?|\d+\.\d+(-\w+)?", tag), image


def test_only_what_browsers_need_is_published(compose: ComposeFile) -> None:
    """By default, and on loopback alone: a proxy with TLS belongs in front."""
    published = {name: service.get("ports", []) for name, service in compose.services.items()}
    assert {name for name in compose.default_services if published[name]} == {"edge", "bucket-door"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_the_stores_cannot_be_left(compose: ComposeFile) -> None:
    """Whatever is not published sits in a network without a way out."""
    assert compose.content["networks"]["inside"] == {"internal": True}
    elsewhere = {
        name
        for name, service in compose.services.items()
        if service.get("network_mode") != "none" and list(service["networks"]) != ["inside"]
    }
    assert elsewhere == PUBLISHED


def test_the_system_waits_for_no_later_domain(compose: ComposeFile) -> None:
    """What starts by default depends on nothing behind a profile."""
    needed = {
        need for name in compose.default_services for need in compose.services[name].get("depends_on", {})
    }
    assert needed <= compose.default_services


def test_what_is_waited_for_comes_to_be(compose: ComposeFile) -> None:
    """A service is waited for until it is healthy, a step until it has succeeded."""
    for service in compose.services.values():
        for needed, how in service.get("depends_on", {}).items():
            ends = bool(compose.services[needed]["healthcheck"].get("disable"))
            expected = "service_completed_successfully" if ends else "service_healthy"
            assert how["condition"] == expected, needed


def test_no_stop_is_cut_short(compose: ComposeFile) -> None:
    """An engine waits longer than a process may take to end without failing a request or a job."""
    patience = {name: float(compose.services[name]["stop_grace_period"].removesuffix("s")) for name in OURS}
    assert patience["edge"] > longest_stop(edge.lifetime) + 5
    assert patience["server"] > longest_stop(server.rpc.host) + 5
    assert patience["bucket-door"] > FINISH_SECONDS + 5
    assert patience["worker"] > WorkerSettings.model_fields["worker_grace_seconds"].default + 5


def longest_stop(module: ModuleType) -> float:
    """The sum of every time that the module, which stops a process, names."""
    times = [value for name, value in vars(module).items() if name.endswith("_SECONDS")]
    assert times
    return float(sum(times))


def test_the_worker_computes_on_the_cores_that_it_has(compose: ComposeFile) -> None:
    """Python counts the machine's, whatever the container may use."""
    limits = compose.services["worker"]["deploy"]["resources"]["limits"]
    assert float(compose.environment("worker")["PYTHON_CPU_COUNT"]) == float(limits["cpus"])


def test_the_worker_has_room_for_what_it_decodes(compose: ComposeFile) -> None:
    """As much as each of its decoding processes may take, beside what it needs itself."""
    environment = compose.environment("worker")
    limit = compose.services["worker"]["deploy"]["resources"]["limits"]["memory"]
    decoding = int(environment["MILLRACE_MEDIA_DECODE_MEMORY_MIB"]) * int(environment["PYTHON_CPU_COUNT"])
    assert int(limit.removesuffix("M")) >= decoding + 768


def test_the_parts_that_meet_at_the_bucket_agree(compose: ComposeFile) -> None:
    """On the bucket and its keys; and browsers are sent to where the door is published."""
    server, worker, door = (compose.environment(name) for name in ("server", "worker", "bucket-door"))
    shared = {name: value for name, value in door.items() if name.startswith("MILLRACE_S3_")}
    del shared["MILLRACE_S3_UPLOAD_ORIGINS"]
    assert shared.items() <= server.items()
    assert shared.items() <= worker.items()
    assert compose.services["s3-bucket"]["command"][-1] == f"/data/{door['MILLRACE_S3_BUCKET']}"
    addresses = [server["MILLRACE_S3_UPLOAD_ENDPOINT"], server["MILLRACE_MEDIA_PUBLIC_URL"]]
    image = image_environment()
    listening = [image["MILLRACE_S3_DOOR_PORT"], image["MILLRACE_MEDIA_PORT"]]
    assert compose.services["bucket-door"]["ports"] == [
        f"{address.removeprefix('http://')}:{port}"
        for address, port in zip(addresses, listening, strict=True)
    ]


def test_redis_keeps_what_it_acknowledged(compose: ComposeFile) -> None:
    """The log is synced on every write and nothing is evicted; the container leaves room for a rewrite."""
    command = compose.services["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert (options["--appendonly"], options["--appendfsync"]) == ("yes", "always")
    assert options["--maxmemory-policy"] == "noeviction"
    limit = compose.services["redis"]["deploy"]["resources"]["limits"]["memory"]
    assert int(limit.removesuffix("M")) >= 2 * int(options["--maxmemory"].removesuffix("mb"))


def test_secrets_reach_only_those_who_need_them(compose: ComposeFile, variables: dict[str, str]) -> None:
    """The edge cannot sign tokens nor open PostgreSQL; the server cannot sign cookies; the rest neither."""
    holders = {
        name: {process for process in OURS if value in str(compose.environment(process))}
        for name, value in variables.items()
        if "PUBLIC_URL" not in name and "SECURE" not in name
    }
    assert {name: held for name, held in holders.items() if held} == {
        "MILLRACE_JWT_SECRETS": {"server"},
        "MILLRACE_EDGE_TOKEN": {"edge"},
        "MILLRACE_COOKIE_KEYS": {"edge"},
        "MILLRACE_VISITOR_SECRET": {"edge"},
        "POSTGRES_PASSWORD": {"server", "drain", "worker", "scheduler", "migrate"},
        "REDIS_PASSWORD": {"edge", "server", "drain", "worker", "scheduler"},
        "S3_ACCESS_KEY": {"server", "worker", "bucket-door"},
        "S3_SECRET_KEY": {"server", "worker", "bucket-door"},
    }
