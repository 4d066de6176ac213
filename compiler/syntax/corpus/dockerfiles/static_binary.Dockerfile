FROM scratch
COPY hello /
ENTRYPOINT ["/hello"]
CMD ["--verbose"]
