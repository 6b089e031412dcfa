# One image for every process of Millrace. What follows `docker run IMAGE` names the process: edge, server, drain,
# migrate, …; without a name it says which there are. docker-compose.yml runs them together.

ARG PYTHON=python:3.13.15-slim-trixie

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_PROGRESS_BAR=off PIP_ROOT_USER_ACTION=ignore UV_LINK_MODE=copy
WORKDIR /build
# What pillow-simd is built with; without them, and on other processors than x86-64, Pillow serves.
RUN apt-get -qq update \
 && apt-get -qq install --yes --no-install-recommends \
    gcc libc6-dev libjpeg62-turbo-dev liblcms2-dev libwebp-dev zlib1g-dev
# What changes seldom comes first: these layers are kept while only our own code changes.
COPY requirements-build.lock requirements-runtime.lock requirements-simd.lock ./
RUN python -m venv --without-pip /opt/millrace \
 && python -m pip install --require-hashes --only-binary=:all: --no-compile --requirement requirements-build.lock \
 && python -m uv pip install --python /opt/millrace --require-hashes --only-binary=:all: --requirement requirements-runtime.lock
COPY tools/compiling.py tools/pictures.py tools/pillow_simd.py tools/
# auto, simd (the build fails where it cannot be) or stock.
ARG MILLRACE_PILLOW=auto
RUN python tools/pictures.py /opt/millrace/bin/python
COPY pyproject.toml README.md LICENSE ./
COPY clients clients
COPY edge edge
COPY server server
COPY workers workers
RUN python -m pip wheel --no-deps --no-build-isolation --no-index --wheel-dir wheels ./clients . \
 && python -m uv pip install --python /opt/millrace --no-deps --no-index wheels/*.whl \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/millrace/lib

FROM ${PYTHON}
# The libraries that pillow-simd was built against.
RUN apt-get -qq update \
 && apt-get -qq install --yes --no-install-recommends \
    libjpeg62-turbo liblcms2-2 libwebp7 libwebpdemux2 libwebpmux3 zlib1g \
 && rm -rf /var/lib/apt/lists/*
# The base has no bytecode of the standard library, and a read-only file system lets no process keep any.
RUN python -m compileall -q -j 0 --invalidation-mode unchecked-hash \
    -x '/(site-packages|ensurepip|idlelib|tkinter|turtledemo|lib2to3|pydoc_data)/' /usr/local/lib/python3.*
COPY --from=build /opt/millrace /opt/millrace
# The one folder that is written to, by edges. A volume mounted there begins with its mode, good for any account.
WORKDIR /var/spool/millrace
RUN chmod 1777 .
# The rest of the file system may be read-only. Modules come from the image alone (SAFEPATH).
ENV PATH=/opt/millrace/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 PYTHONNOUSERSITE=1 PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1 \
    MILLRACE_EDGE_HOST=0.0.0.0 MILLRACE_EDGE_PORT=8080 \
    MILLRACE_GRPC_LISTEN=0.0.0.0:50051 \
    MILLRACE_BUCKET_DOOR_HOST=0.0.0.0 MILLRACE_S3_DOOR_PORT=9000 MILLRACE_MEDIA_PORT=9001 \
    MILLRACE_METRICS_HOST=0.0.0.0 MILLRACE_METRICS_PORT=9100 \
    MILLRACE_SPOOL_DIR=/var/spool/millrace \
    MILLRACE_LOG_FORMAT=json
LABEL org.opencontainers.image.title="Millrace" \
      org.opencontainers.image.description="The growth backend of a shop: affiliate links, clicks, catalogue, statistics." \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /opt/millrace
# A number, so that an orchestrator can see that it is not root.
USER 65532:65532
EXPOSE 8080 9000 9001 9100 50051
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --start-interval=1s CMD ["python", "-m", "server.container", "health"]
ENTRYPOINT ["python", "-m", "server.container"]
