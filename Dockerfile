# The agent's image: one static program in an otherwise empty root file system.
#
#   docker buildx build -t dockmon-agent .
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) …
#
# The program is cross-compiled on the building machine; nothing of another architecture is run.

# What compiles it. Debian 13's own compilers (packaging/builder/architectures names them) are all it needs, for itself and for
# the other architecture; in an image that has them already (packaging/builder/make) nothing is installed.
ARG BUILDER=debian:trixie-slim

FROM --platform=$BUILDPLATFORM ${BUILDER} AS build
WORKDIR /src
COPY packaging/builder packaging/builder
RUN packaging/builder/install
COPY . .
# Which architecture; buildx says it, elsewhere it is this one.
ARG TARGETARCH
# Which shell: shell-tokio or shell-async-std.
ARG SHELL_CRATE=shell-tokio
# What it calls itself; without it, the version in Cargo.toml.
ARG VERSION
ARG COMMIT
# Every time stamp in the image.
ARG SOURCE_DATE_EPOCH=0
RUN AGENT_VERSION="$VERSION" AGENT_COMMIT="$COMMIT" packaging/builder/build "$SHELL_CRATE" "${TARGETARCH:-}" /out

FROM scratch
ARG VERSION
ARG COMMIT
LABEL org.opencontainers.image.title="dockmon-agent" \
      org.opencontainers.image.description="A remote agent for DockMon" \
      org.opencontainers.image.source="https://github.com/dockmon-agent/dockmon-agent" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
COPY --from=build /out/root/ /
# A new volume takes its owner from here.
COPY --from=build --chown=1000:1000 /out/owned/ /
# Root only to take /data and to find the group of the engine's socket; then this user. 0: it stays root.
ENV AGENT_USER=1000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["/dockmon-agent", "healthcheck"]
ENTRYPOINT ["/dockmon-agent"]
