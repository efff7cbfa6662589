"""What OSX is assembled from: networks that find joints, boxes, features and numbers."""
