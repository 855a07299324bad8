"""The pretend shop's bucket of analytics exports: `router(world_ref)` serves it as S3 does."""

from mock_apis.s3.router import router

__all__ = ["router"]
