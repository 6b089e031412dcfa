"""Keeps the contract in `protos/` honest: lints it, guards it against breaking changes, generates the stubs.

The validation rules of `buf.validate` are options of the fields. They travel in the generated stubs as
bytes, but the stubs do not import `buf`: whoever installs the clients needs only grpcio, protobuf and
googleapis-common-protos, while the server's validator reads the same bytes.
"""

import filecmp
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import click
from google.protobuf import descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
CLIENTS = ROOT / "clients"
BASELINE = PROTOS / "baseline.binpb"
# The compiled contract as the clients ship it, for programs that read the protos themselves.
SHIPPED = CLIENTS / "millrace" / "contract.binpb"
BUILD = ROOT / "build" / "contract"
ACCESS_EXTENSION = 50101
# Field 8042 of a file in a buf image is `{is_import: true}`: buf then leaves the file out of its checks.
IS_IMPORT = bytes([0xD2, 0xF6, 0x03, 0x02, 0x08, 0x01])


@click.group()
def main() -> None:
    """Generates and checks what the protos promise."""


@main.command()
def generate() -> None:
    """Writes the stubs and the compiled contract into `clients/`."""
    image = build_image()
    refuse(methods_without_access(image))
    fresh = generate_stubs(image, BUILD / "stubs")
    for stale in committed_stubs():
        stale.unlink()
    for path in stubs_below(fresh):
        target = CLIENTS / path.relative_to(fresh)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    SHIPPED.write_bytes(shipped_image(image))
    click.echo(f"generated {len(stubs_below(fresh)) + 1} files")


@main.command()
def check() -> None:
    """Fails when the contract is unclean, breaks its baseline, or the stubs are not current."""
    image = build_image()
    refuse(methods_without_access(image))
    buf("lint", str(BUILD / "image.binpb"))
    buf("format", "--diff", "--exit-code", "protos")
    buf("breaking", str(BUILD / "image.binpb"), "--against", str(BASELINE))
    refuse(stale_stubs(generate_stubs(image, BUILD / "stubs")))
    refuse(stale_shipped_image(image, SHIPPED))
    click.echo("contract: clean, compatible, stubs and shipped image current")


@main.command()
def baseline() -> None:
    """Makes today's contract the one that later changes are compared with."""
    build_image()
    shutil.copyfile(BUILD / "image.binpb", BASELINE)
    click.echo(f"wrote {BASELINE.relative_to(ROOT)}")


def build_image(protos: Path = PROTOS) -> FileDescriptorSet:
    """Compiles every proto with its imports and comments; also leaves the image where buf reads it."""
    BUILD.mkdir(parents=True, exist_ok=True)
    validate = BUILD / "validate.binpb"
    validate.write_bytes(validation_descriptors().SerializeToString())
    image_file = BUILD / "image.binpb"
    sources = sorted(str(path.relative_to(protos)) for path in protos.rglob("*.proto"))
    run_protoc(
        f"--descriptor_set_in={validate}",
        f"--proto_path={protos}",
        f"--proto_path={files('google').joinpath('..')}",
        f"--proto_path={files('grpc_tools') / '_proto'}",
        "--include_imports",
        "--include_source_info",
        f"--descriptor_set_out={image_file}",
        *sources,
    )
    image = FileDescriptorSet.FromString(image_file.read_bytes())
    for file in image.file:
        if not is_ours(file):
            file.ClearField("source_code_info")
            file.MergeFromString(IS_IMPORT)
    image_file.write_bytes(image.SerializeToString(deterministic=True))
    return image


def validation_descriptors() -> FileDescriptorSet:
    """Returns `buf/validate/validate.proto` with its imports, as the protovalidate wheel carries it."""
    from protovalidate import ViolationPb  # noqa: PLC0415 - a development tool's import, not the stubs'

    rules = FileDescriptorProto.FromString(ViolationPb.desc().file.proto.to_binary())
    known = (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2)
    imports = [FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb) for module in known]
    return FileDescriptorSet(file=[*imports, rules])


def generate_stubs(image: FileDescriptorSet, target: Path) -> Path:
    """Generates the stubs of our files into the empty folder `target`."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    stripped = BUILD / "stripped.binpb"
    stripped.write_bytes(without_validation_import(image).SerializeToString())
    run_protoc(
        f"--descriptor_set_in={stripped}",
        f"--python_out={target}",
        f"--grpc_python_out={target}",
        f"--mypy_out=quiet:{target}",
        f"--mypy_grpc_out=quiet,only_async:{target}",
        *(file.name for file in image.file if is_ours(file)),
    )
    for path in target.rglob("*_pb2_grpc.py*"):
        if not has_service(path):
            path.unlink()
    return target


def without_validation_import(image: FileDescriptorSet) -> FileDescriptorSet:
    stripped = FileDescriptorSet()
    for file in image.file:
        if file.name.startswith("buf/"):
            continue
        kept = stripped.file.add()
        kept.CopyFrom(file)
        kept.dependency[:] = [name for name in file.dependency if not name.startswith("buf/")]
    return stripped


def shipped_image(image: FileDescriptorSet) -> bytes:
    """The image with its imports and, of the places in the sources, only those that have a comment."""
    shipped = FileDescriptorSet()
    shipped.CopyFrom(image)
    for file in shipped.file:
        places = file.source_code_info.location
        commented = [place for place in places if place.leading_comments or place.trailing_comments]
        if len(commented) < len(places):
            kept = descriptor_pb2.SourceCodeInfo(location=commented)
            file.source_code_info.CopyFrom(kept)
    return shipped.SerializeToString(deterministic=True)


def stale_shipped_image(image: FileDescriptorSet, shipped: Path) -> list[str]:
    if shipped.exists() and _same_content(shipped.read_bytes(), shipped_image(image)):
        return []
    return [f"{shipped.name} is not current: run `make generate`"]


def _same_content(one: bytes, other: bytes) -> bool:
    """Options are written in an order that depends on which of them this process has imported."""
    try:
        images = [FileDescriptorSet.FromString(written) for written in (one, other)]
    except DecodeError:
        return False
    first, second = (image.SerializeToString(deterministic=True) for image in images)
    return first == second


def methods_without_access(image: FileDescriptorSet) -> list[str]:
    """Names every method that does not say who may call it; such a contract must not be built."""
    return [
        f"{file.package}.{service.name}.{method.name} has no (millrace.auth.v1.access) option"
        for file in image.file
        if is_ours(file)
        for service in file.service
        for method in service.method
        if not names_callers(method.options.SerializeToString())
    ]


def names_callers(options: bytes) -> bool:
    sys.path.insert(0, str(CLIENTS))
    from millrace.auth.v1 import access_pb2  # noqa: PLC0415 - generated by this very tool

    parsed = descriptor_pb2.MethodOptions.FromString(options).Extensions[access_pb2.access]
    return bool(parsed.public or parsed.roles)


def stale_stubs(fresh: Path) -> list[str]:
    wanted = {path.relative_to(fresh) for path in stubs_below(fresh)}
    present = {path.relative_to(CLIENTS) for path in committed_stubs()}
    differing = {
        path for path in wanted & present if not filecmp.cmp(fresh / path, CLIENTS / path, shallow=False)
    }
    stale = (wanted ^ present) | differing
    return [f"{path} is not current: run `make generate`" for path in sorted(stale)]


def committed_stubs() -> list[Path]:
    return stubs_below(CLIENTS / "millrace")


def stubs_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*_pb2*.py*") if path.suffix in {".py", ".pyi"})


def has_service(stub: Path) -> bool:
    return "class " in stub.read_text()


def is_ours(file: FileDescriptorProto) -> bool:
    return file.name.startswith("millrace/")


def refuse(problems: list[str]) -> None:
    if problems:
        raise click.ClickException("\n".join(problems))


def run_protoc(*arguments: str) -> None:
    # The plug-ins of mypy-protobuf are scripts beside this interpreter.
    plugins = [
        f"--plugin=protoc-gen-{name}={Path(sys.executable).parent / f'protoc-gen-{name}'}"
        for name in ("mypy", "mypy_grpc")
    ]
    if protoc.main(["protoc", *plugins, *arguments]) != 0:
        raise click.ClickException("protoc refused the contract; it says why above")


def buf(*arguments: str) -> None:
    command = [str(Path(sys.executable).parent / "buf"), *arguments]
    if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:  # noqa: S603 - our own arguments
        raise click.ClickException(f"buf {arguments[0]} found the above")


if __name__ == "__main__":
    main()
