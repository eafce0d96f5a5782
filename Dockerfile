# syntax=docker/dockerfile:1
#
# docker build -t dovvybuddy .                          the model is fetched on first start
# docker build -t dovvybuddy --build-arg MODEL=baked .  the model is in the image (90 MB more)
#
# The binary is static, so the same stage serves the release archives:
# docker build --target binary --output out .

ARG MODEL=fetched
ARG RUST=1.95

FROM rust:${RUST}-slim-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends musl-tools \
    && rm -rf /var/lib/apt/lists/* \
    && rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /src
COPY . .
# GCC on ARM calls helpers for atomics that musl's libgcc does not have.
ENV CC_x86_64_unknown_linux_musl=musl-gcc \
    CC_aarch64_unknown_linux_musl=musl-gcc \
    CFLAGS_aarch64_unknown_linux_musl=-mno-outline-atomics
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package dovvybuddy --target "$(uname -m)-unknown-linux-musl" \
    && install -D "target/$(uname -m)-unknown-linux-musl/release/dovvybuddy" /out/dovvybuddy \
    && mkdir -p /out/data/models

FROM scratch AS binary
COPY --from=build /out/dovvybuddy /

FROM build AS model-fetched

FROM python:3-slim AS model-baked
COPY scripts/setup-model /setup-model
RUN DOVVYBUDDY_MODEL_CACHE=/out/data/models /setup-model

FROM model-${MODEL} AS model

FROM alpine:3
# Alpine brings the certificate authorities and the wget that the health check uses.
RUN apk add --no-cache tzdata \
    && adduser -D -H -u 10001 dovvybuddy
COPY --from=build /out/dovvybuddy /usr/local/bin/dovvybuddy
COPY LICENSE-MIT LICENSE-APACHE /app/
COPY config /app/config
COPY prompts /app/prompts
COPY content /app/content
COPY content-demo /app/content-demo
# A named volume mounted here starts with these files and this owner.
COPY --from=model --chown=10001:10001 /out/data /data
WORKDIR /app
USER 10001:10001
ENV DOVVYBUDDY_DATA_DIR=/data \
    DOVVYBUDDY_HTTP__BIND=0.0.0.0:8000 \
    DOVVYBUDDY_LOG__FORMAT=json
VOLUME /data
EXPOSE 8000
# Ready: the database answers and messages are being dispatched. A model that is down does not count.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=4 \
    CMD wget -q -T 4 -O /dev/null "http://127.0.0.1:${PORT:-8000}/ready"
STOPSIGNAL SIGTERM
ENTRYPOINT ["dovvybuddy"]
CMD ["serve"]
