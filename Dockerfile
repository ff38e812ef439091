# syntax=docker/dockerfile:1
# The gateway and the migration command, nothing else of the build.
#
#   docker build -t anima .
#   docker run --rm -p 127.0.0.1:8000:8000 -v anima:/data anima
#
# Without further settings it keeps an SQLite file in /data; docker-compose.yml is the PostgreSQL form.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The caches stay on the building machine, so a second build compiles only what changed; what goes into
# the image is copied out of them in the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package anima-gateway --package anima-migration --bins \
    && install -D --target-directory=/out target/release/anima-gateway target/release/anima-migration

FROM debian:bookworm-slim
# A fixed number, so that the owner of a mounted volume can be given from outside.
RUN groupadd --system --gid 10001 anima \
    && useradd --system --uid 10001 --gid anima --no-create-home --home-dir /data --shell /usr/sbin/nologin anima \
    && install --directory --owner=anima --group=anima --mode=0750 /data
# For TLS to a language model or a webhook; a package manager run less.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# Owned by root and not writable by the user that runs them.
COPY --from=build /out/anima-gateway /out/anima-migration /usr/local/bin/
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/anima/

# Inside a container loopback is the container itself: publish the port on the host's loopback, or put
# a proxy with TLS in front.
ENV ANIMA_LISTEN=0.0.0.0:8000 \
    ANIMA_DATABASE_URL="sqlite:///data/anima.db?mode=rwc"
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
# Asks /health/ready of its own address: 0 when the database and the migrations are ready.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["anima-gateway", "health"]
# The gateway is process 1 itself, so SIGTERM reaches it; it finishes what runs within 30 s.
STOPSIGNAL SIGTERM
ENTRYPOINT ["anima-gateway"]
