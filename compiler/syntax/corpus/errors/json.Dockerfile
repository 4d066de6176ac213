FROM scratch
RUN ["a", 1]
CMD [true]
ENTRYPOINT ["a", null, "b"]
COPY ["a", ["b"]]
VOLUME [{"a": 1}]
SHELL ["a", -1.5e3]
HEALTHCHECK CMD ["a", 2]
