# syntax=docker/dockerfile:1
# Both stages are Debian 12: the program asks for the C library of the one it was built on.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /source
COPY . .
# .git is not sent here: switchboard_build_info says commit="unknown".
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked -p switchboard && \
    install -D --strip target/release/switchboard /image/usr/bin/switchboard && \
    install -d -o 65532 -g 65532 /image/var/lib/switchboard

FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="switchboard" \
      org.opencontainers.image.description="Answers which official account of a company talks to a client" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build --chown=65532:65532 /image/var/lib/switchboard /var/lib/switchboard
COPY --from=build /image/usr/bin/switchboard /usr/bin/switchboard
# By number, so that Kubernetes can tell that it is not root.
USER 65532:65532
EXPOSE 7400 7401
# No HEALTHCHECK: there is no shell and no curl here. Ask /livez and /readyz on 7401 from outside.
# Nothing is written but standings, where a journal is asked for: run it with a read-only root.
ENTRYPOINT ["/usr/bin/switchboard"]
# Without principals, the daemon refuses these addresses, unless SWITCHBOARD_ANONYMOUS=true states that they are guarded.
CMD ["serve", "--listen", "0.0.0.0:7400", "--admin-listen", "0.0.0.0:7401", "--log-format", "json"]
