"""People on disk and on their way into a model: samples, shards, crops, augmentation, batches."""
