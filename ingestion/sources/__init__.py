"""One file a source, each with a class `Source(BaseSource)`; pipeline.yml's `type` names the file."""
