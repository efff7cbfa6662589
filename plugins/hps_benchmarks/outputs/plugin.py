"""Files that the programs of other models leave behind, so that their predictions can be measured."""

from hpscli.hooks import PredictionFileSpec, hookimpl

LAYOUTS = (
    # name, module here, ending of its functions' names, suffixes, what the files are
    (
        "spin-results",
        "spin",
        "",
        (".npz",),
        "SPIN's eval.py --result_file: pose (N,72), betas, camera, pred_joints (N,17,3).",
    ),
    (
        "mmhuman3d-json",
        "mmhuman3d",
        "_json",
        (".json",),
        "result_keypoints.json of mmhuman3d and hmr-benchmarks: keypoints, poses, betas.",
    ),
    (
        "mmhuman3d-outputs",
        "mmhuman3d",
        "_outputs",
        (".pkl", ".pickle"),
        "A pickle of mmhuman3d's list of batches: smpl_pose, smpl_beta, vertices, image_idx.",
    ),
    (
        "mmhuman3d-demo",
        "mmhuman3d",
        "_demo",
        (".npz",),
        "inference_result.npz of mmhuman3d's demo/estimate_smpl.py: smpl, verts, image_path.",
    ),
    (
        "pare-evaluation",
        "pare",
        "",
        (".pkl",),
        "evaluation_results_*.pkl of PARE with TESTING.SAVE_RESULTS: pose, shape, vertices.",
    ),
    (
        "4d-humans-tracks",
        "tracks",
        "",
        (".pkl",),
        "results/*.pkl of 4D-Humans' track.py (PHALP): per picture smpl, bbox, tid.",
    ),
    (
        "osx-parameters",
        "osx",
        "",
        ("/", ".json"),
        "A folder of OSX's ID.json (COCO, 3DPW): smplx_param and cam_param of each person.",
    ),
    (
        "smpler-x-parameters",
        "smpler_x",
        "",
        ("/",),
        "A folder of SMPLer-X's NUMBER.npz: SMPL-X parameters of each person.",
    ),
    (
        "osx-meshes",
        "osx_meshes",
        "",
        ("/",),
        "OSX's mesh_origin/ID.npy of EHF: a mesh of SMPL-X (10475,3) for each person.",
    ),
)


@hookimpl
def hps_prediction_files() -> list[PredictionFileSpec]:
    """-> the layouts; what each of their arrays is: hps info predictions."""
    return [
        PredictionFileSpec(
            name=name,
            recognise=f"hps_benchmarks.outputs.{module}:recognise{ending}",
            read=f"hps_benchmarks.outputs.{module}:read{ending}",
            summary=summary,
            suffixes=suffixes,
        )
        for name, module, ending, suffixes, summary in LAYOUTS
    ]
