# The service and the watch of cameras: docs/service.md. Build: docker build -t avadclip .
FROM python:3.12-slim AS build
WORKDIR /build
RUN python -m venv /opt/avadclip
# The CPU build of PyTorch; the index of PyPI would draw gigabytes of CUDA.
RUN /opt/avadclip/bin/pip install --no-cache-dir torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY configs configs
COPY src src
# `live` is for `avadclip watch`, which compose.yaml starts from the same image.
RUN /opt/avadclip/bin/pip install --no-cache-dir --constraint constraints.txt ".[serve,live]"
# Into the system's cache, which every user reads: the running container needs no network.
RUN XDG_CACHE_HOME=/var/cache /opt/avadclip/bin/avadclip weights get yamnet

FROM python:3.12-slim
COPY --from=build /opt/avadclip /opt/avadclip
COPY --from=build /var/cache/avadclip /var/cache/avadclip
RUN useradd --system --uid 10001 --home-dir /data avadclip && install -d -o avadclip -m 0700 /data
USER avadclip
ENV PATH=/opt/avadclip/bin:$PATH PYTHONUNBUFFERED=1 HOME=/data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
# Only reachable inside the container's network, and only with a token: mount a file of tokens at /run/secrets/tokens.
ENTRYPOINT ["avadclip", "serve", "--host", "0.0.0.0", "--data", "/data", "--token-file", "/run/secrets/tokens", "--log-format", "json"]
