# earmark without torch: tags, events, embeddings, figures. Build: docker build -t earmark .
#   docker run --rm -v "$PWD":/sounds:ro earmark tag /sounds
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src src
RUN python -m venv /opt/earmark \
 && /opt/earmark/bin/pip install --no-cache-dir -c constraints.txt . \
 && rm -rf /opt/earmark/lib/python3.12/site-packages/pip* \
 && find /opt/earmark -name tests -type d -path "*pyarrow*" -prune -exec rm -rf {} +

FROM python:3.12-slim
COPY --from=build /opt/earmark /opt/earmark
RUN useradd --create-home --uid 1000 earmark
USER earmark
WORKDIR /home/earmark
ENV PATH=/opt/earmark/bin:$PATH EARMARK_CACHE=/tmp/earmark
ENTRYPOINT ["earmark"]
CMD ["--help"]
