"""The sizes that OSX is built on: pictures, heat maps, joints, camera.

Source: IDEA-Research/OSX, main/config.py. A grid is depth, height, width. Three units occur: pixels of
the crop (512x384), pixels of the encoder's picture (256x192), and cells of a heat map.
"""

import math
from typing import Final

CROP: Final = (512, 384)  # height, width px of the input
PICTURE: Final = (256, 192)  # height, width px that the encoder sees
BODY_GRID: Final = (16, 16, 12)
HAND_GRID: Final = (16, 16, 16)
FACE_GRID: Final = (8, 8, 8)
CELL_PX = PICTURE[0] / BODY_GRID[1]  # 16 px of the encoder's picture, in both directions
BODY_JOINTS, HAND_JOINTS, FACE_JOINTS = 25, 20, 72

FOCAL_PX = 5000.0  # of the encoder's picture
CAMERA_SIZE = 2.5  # metres that fill the picture where the camera is farthest: k of the translation
FARTHEST = math.sqrt(FOCAL_PX**2 * CAMERA_SIZE**2 / (PICTURE[0] * PICTURE[1]))  # 56.38 m
DEPTH_EPSILON = 1e-4  # added to the depth before dividing by it

BODY_SIZE, PART_SIZE = 2.0, 0.3  # metres that fill the depth of the grids of body; hands and face
HAND_EXTENSION, FACE_EXTENSION = 2.0, 1.5  # of a predicted box before its features are cut out

# What each task token is for. Nothing reads the two hand tokens.
SHAPE_TOKEN, CAMERA_TOKEN, EXPRESSION_TOKEN, JAW_TOKEN, FIRST_BODY_TOKEN = 0, 1, 2, 3, 6
TASK_TOKENS = FIRST_BODY_TOKEN + BODY_JOINTS

JOINT_SET, PACKAGE_SET = "osx_smplx137", "smplx144"
LEFT_HAND, RIGHT_HAND, FACE = slice(25, 45), slice(45, 65), slice(65, 137)  # of the 137 joints
JOINTS = FACE.stop
IMAGE_JOINTS = slice(0, 65)  # body and hands: what the position networks locate
PELVIS, NECK, LEFT_WRIST, RIGHT_WRIST = 0, 7, 12, 13  # of the 137 joints
