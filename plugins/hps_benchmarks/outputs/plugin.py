"""Files that the programs of other models leave behind, so that their predictions can be measured."""

from hpscli.hooks import PredictionFileSpec, hookimpl

BELOW = "hps_benchmarks.outputs"


@hookimpl
def hps_prediction_files() -> list[PredictionFileSpec]:
    """-> the layouts; what each of their arrays is: hps info predictions."""
    return [
        PredictionFileSpec(
            name="spin-results",
            recognise=f"{BELOW}.spin:recognise",
            read=f"{BELOW}.spin:read",
            summary="SPIN's eval.py --result_file: pose (N,72), betas, camera, pred_joints (N,17,3).",
            suffixes=(".npz",),
        ),
        PredictionFileSpec(
            name="mmhuman3d-json",
            recognise=f"{BELOW}.mmhuman3d:recognise_json",
            read=f"{BELOW}.mmhuman3d:read_json",
            summary="result_keypoints.json of mmhuman3d and hmr-benchmarks: keypoints, poses, betas.",
            suffixes=(".json",),
        ),
        PredictionFileSpec(
            name="mmhuman3d-outputs",
            recognise=f"{BELOW}.mmhuman3d:recognise_outputs",
            read=f"{BELOW}.mmhuman3d:read_outputs",
            summary="A pickle of mmhuman3d's list of batches: smpl_pose, smpl_beta, vertices, image_idx.",
            suffixes=(".pkl", ".pickle"),
        ),
        PredictionFileSpec(
            name="mmhuman3d-demo",
            recognise=f"{BELOW}.mmhuman3d:recognise_demo",
            read=f"{BELOW}.mmhuman3d:read_demo",
            summary="inference_result.npz of mmhuman3d's demo/estimate_smpl.py: smpl, verts, image_path.",
            suffixes=(".npz",),
        ),
        PredictionFileSpec(
            name="pare-evaluation",
            recognise=f"{BELOW}.pare:recognise",
            read=f"{BELOW}.pare:read",
            summary="evaluation_results_*.pkl of PARE with TESTING.SAVE_RESULTS: pose, shape, vertices.",
            suffixes=(".pkl",),
        ),
        PredictionFileSpec(
            name="4d-humans-tracks",
            recognise=f"{BELOW}.tracks:recognise",
            read=f"{BELOW}.tracks:read",
            summary="results/*.pkl of 4D-Humans' track.py (PHALP): per picture smpl, bbox, tid.",
            suffixes=(".pkl",),
        ),
        PredictionFileSpec(
            name="osx-parameters",
            recognise=f"{BELOW}.osx:recognise",
            read=f"{BELOW}.osx:read",
            summary="A folder of OSX's ID.json (COCO, 3DPW): smplx_param and cam_param of each person.",
            suffixes=("/", ".json"),
        ),
        PredictionFileSpec(
            name="smpler-x-parameters",
            recognise=f"{BELOW}.smpler_x:recognise",
            read=f"{BELOW}.smpler_x:read",
            summary="A folder of SMPLer-X's NUMBER.npz: SMPL-X parameters of each person.",
            suffixes=("/",),
        ),
        PredictionFileSpec(
            name="osx-meshes",
            recognise=f"{BELOW}.osx_meshes:recognise",
            read=f"{BELOW}.osx_meshes:read",
            summary="OSX's mesh_origin/ID.npy of EHF: a mesh of SMPL-X (10475,3) for each person.",
            suffixes=("/",),
        ),
    ]
