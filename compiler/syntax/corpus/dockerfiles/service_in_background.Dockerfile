FROM debian:stable
LABEL maintainer="dev@example.com"
# move all configuration files into the container
RUN apt-get update && apt-get install -y apache2
EXPOSE 80
CMD ["sh","-c","service apache2 start;bash"]
