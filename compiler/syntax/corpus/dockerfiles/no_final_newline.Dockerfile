FROM debian:stable-slim
RUN echo x \
 && echo y
CMD ["sh"]