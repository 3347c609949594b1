# SPDX-License-Identifier: MIT
# luamcp alone in an image: the static program and the certificates of Debian.
#
#   docker build -t luamcp .
#   docker run -i --rm -v "$PWD:/app:ro" luamcp                  # stdio
#   docker run --rm -p 127.0.0.1:8000:8000 -v "$PWD:/app:ro" luamcp \
#     run /app/server.lua --http 0.0.0.0:8000                    # see docs/security.md
FROM debian:12-slim AS build
WORKDIR /luamcp
COPY . .
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends ca-certificates make \
 && scripts/deps static \
 && make static \
 && mkdir -m 1777 /empty

FROM scratch
LABEL org.opencontainers.image.title="luamcp" \
      org.opencontainers.image.description="A Lua-scriptable runtime for the Model Context Protocol" \
      org.opencontainers.image.source="https://github.com/luamcp/luamcp" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /luamcp/build/static/luamcp /usr/bin/luamcp
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /empty /tmp
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65534:65534
WORKDIR /app
ENTRYPOINT ["/usr/bin/luamcp"]
CMD ["run", "/app/server.lua"]
