# SPDX-License-Identifier: Apache-2.0
#
#   docker build -t backpropd .
#   docker run --rm -p 127.0.0.1:50051:50051 -p 127.0.0.1:9464:9464 \
#     -v backpropd:/data backpropd
#
# There is no authentication or encryption, and Debian's gRPC has open
# denial-of-service holes (rapid reset among them): let nothing but a trusted
# network reach these ports, or put a proxy in front.

FROM debian:bookworm-slim AS build
WORKDIR /src
# Not the distribution's where PyPI can't be reached: that fails here, and says so.
ENV BACKPROP_OPENBLAS=wheel
# Lists first: they change less often than the code, and the layer is cached.
COPY deploy/install_packages.sh deploy/install_openblas.sh \
     deploy/openblas_wheel.txt deploy/
COPY deploy/packages/build.txt deploy/packages/
RUN deploy/install_packages.sh build
COPY . .
RUN cmake --preset release \
 && cmake --build --preset release --target backpropd \
 && DESTDIR=/installed cmake --install build --component server --strip \
    --prefix /usr

FROM debian:bookworm-slim AS libraries
COPY deploy/install_packages.sh deploy/gather_libraries.sh deploy/
COPY deploy/packages/run.txt deploy/packages/
RUN deploy/install_packages.sh run
COPY --from=build /installed /
RUN deploy/gather_libraries.sh /usr/bin/backpropd /gathered \
 && install -d -m 0700 -o 65532 -g 65532 /gathered/data

# backpropd and the libraries that it is linked with: no shell, no apt.
FROM scratch
COPY --from=libraries /gathered /
COPY --from=build /installed /
# Numeric, so that Kubernetes can see that it is not root.
USER 65532:65532
# A container's loopback reaches nobody; what may reach these ports is decided
# where they are published.
ENV BACKPROPD_GRPC_ADDRESS=0.0.0.0:50051 \
    BACKPROPD_HTTP_ADDRESS=0.0.0.0:9464 \
    BACKPROPD_DATA_DIR=/data
EXPOSE 50051 9464
# Sessions. One server a volume: a second is refused.
VOLUME /data
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["/usr/bin/backpropd", "healthcheck"]
# No shell in between: SIGTERM reaches the server, which is process 1.
ENTRYPOINT ["/usr/bin/backpropd"]
