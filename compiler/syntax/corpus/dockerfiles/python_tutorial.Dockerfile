# Use a small system as a parent image
FROM debian:stable-slim

# Set the working directory
WORKDIR /app

# Copy everything
COPY . /app

# Make port 80 available
EXPOSE 80

# Define an environment variable
ENV NAME World

# Run when the container launches
CMD ["python3", "app.py"]
