# escape=`
FROM debian:stable-slim
SHELL ["pwsh", "-Command", "$ErrorActionPreference = 'Stop';"]
RUN Write-Host `
    'hello' `
    C:\temp\
COPY app\ C:\app\
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN cat /etc/os-release | wc -l
