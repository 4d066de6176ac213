FROM debian:stable-slim
WORKDIR /usr/src/app
ONBUILD COPY package*.json ./
ONBUILD RUN npm ci
ONBUILD COPY . .
ONBUILD RUN npm run build \
    && npm prune
CMD ["npm", "start"]
