# earmark without torch: tags, events, embeddings, figures. Build: docker build -t earmark .
#   docker run --rm -v "$PWD":/sounds:ro earmark tag /sounds
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src src
COPY .ci/image .ci/image
RUN sh .ci/image /source /opt/earmark

FROM python:3.12-slim
COPY --from=build /opt/earmark /opt/earmark
RUN useradd --create-home --uid 1000 earmark
USER earmark
WORKDIR /home/earmark
ENV PATH=/opt/earmark/bin:$PATH EARMARK_CACHE=/tmp/earmark
ENTRYPOINT ["earmark"]
CMD ["--help"]
