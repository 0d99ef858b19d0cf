# One image for the API and the worker:  docker build -t kilim:local .
# BASE must have Node >= 20.20; where better-sqlite3's prebuilt file cannot be fetched, BUILD_BASE also python3, make and g++.
ARG BASE=node:20-bookworm-slim
ARG BUILD_BASE=node:20-bookworm

FROM ${BUILD_BASE} AS build
WORKDIR /kilim
COPY package.json package-lock.json .npmrc ./
RUN prefix="$(node -p 'path.dirname(path.dirname(process.execPath))')" \
  && if [ -d "$prefix/include/node" ]; then export npm_config_nodedir="$prefix"; fi \
  && npm ci --no-audit --no-fund
COPY . .
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM ${BASE}
ENV NODE_ENV=production NODE_OPTIONS=--max-old-space-size=2048
WORKDIR /kilim
COPY --from=build /kilim/package.json ./
COPY --from=build /kilim/node_modules ./node_modules
COPY --from=build /kilim/dist ./dist
COPY --from=build /kilim/bin ./bin
COPY --from=build /kilim/deploy/entrypoint.sh ./deploy/
RUN mkdir -p /var/lib/kilim && chown 10001:10001 /var/lib/kilim
USER 10001:10001
VOLUME /var/lib/kilim
EXPOSE 8080
ENTRYPOINT ["deploy/entrypoint.sh"]
CMD ["api"]
