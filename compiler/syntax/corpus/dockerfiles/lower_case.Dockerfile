from debian:stable-slim as base
run echo lower
env a=b
copy . .
cmd ["sh"]
