"""Where files are kept: a folder, or a bucket of S3. Stores know nothing of photographs."""
