FROM python:3.13-slim
RUN useradd --create-home countersign
WORKDIR /app
COPY pyproject.toml requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY api api
COPY db db
COPY graphs graphs
COPY tools tools
RUN pip install --no-cache-dir --no-deps --no-build-isolation .
USER countersign
ENV COUNTERSIGN_HOST=0.0.0.0
EXPOSE 8000
CMD ["countersign", "api"]
