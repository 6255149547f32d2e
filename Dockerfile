# The image is one static binary: no shell, no package manager, no user database.

# Alpine's Rust builds for musl and links statically by itself; the C code in the dependencies (ring, zstd, SQLite)
# needs no more than the gcc that the image has.
FROM rust:1.95-alpine AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY config config
# What --version and flowcost_build_info say: --build-arg REVISION=$(git rev-parse --short=12 HEAD)
ARG REVISION=""
RUN FLOWCOST_REVISION="$REVISION" cargo build --locked --release --bin flowcost-exporter \
    && mkdir -p /state

FROM scratch
# To verify the certificates of S3 and STS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/target/release/flowcost-exporter /flowcost-exporter
# An empty folder that the user below owns. A new named volume takes over its owner.
COPY --from=build --chown=65532:65532 /state /var/lib/flowcost
USER 65532:65532
# Also where SQLite puts temporary files: there is no /tmp.
WORKDIR /var/lib/flowcost
VOLUME /var/lib/flowcost
EXPOSE 9843
# The binary asks itself; there is nothing else in the image that could.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["/flowcost-exporter", "healthcheck"]
ENTRYPOINT ["/flowcost-exporter"]
CMD ["serve", "--config.file", "/etc/flowcost/flowcost.toml"]
