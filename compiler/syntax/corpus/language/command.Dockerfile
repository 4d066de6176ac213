FROM scratch
CMD ["a", "b"]
CMD a b "c d"
CMD []
ENTRYPOINT ["/x"]
ENTRYPOINT exec top -b
ENTRYPOINT []
CMD [ "a", "b" ] 
CMD echo <<EOF
CMD ["é"]
