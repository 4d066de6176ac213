FROM debian:stable-slim AS deps
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev

FROM deps AS build
RUN npm ci
COPY tsconfig.json ./
COPY src/ src/
RUN npm run build

FROM debian:stable-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=deps /app/node_modules node_modules
COPY --from=build /app/dist dist
USER node
EXPOSE 3000
CMD [ "node", "dist/index.js" ]
