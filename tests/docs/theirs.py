"""Commands and flags of the documents and scripts of others, which our pages for those who come must answer."""

# Page -> words of evaluation, demo and leaderboard files, then of training.
THEIRS = {
    "metro": (
        "run_metro_bodymesh.py run_hand_inference.py end2end_inference_bodymesh.py "
        "end2end_inference_handmesh.py --val_yaml --arch --num_workers --per_gpu_eval_batch_size "
        "--num_hidden_layers --num_attention_heads --input_feat_dim --hidden_feat_dim "
        "--run_eval_only --resume_checkpoint --model_path --multiscale_inference "
        "--image_file_or_path --nproc_per_node "
        # run_metro_bodymesh.py, run_metro_handmesh.py of MeshTransformer cefc4af
        "run_metro_handmesh.py --data_dir --train_yaml --img_scale_factor --model_name_or_path "
        "--output_dir --config_name --per_gpu_train_batch_size --lr --learning_rate "
        "--num_train_epochs --vertices_loss_weight --joints_loss_weight --vloss_w_full "
        "--vloss_w_sub --vloss_w_sub2 --drop_out --hidden_size --intermediate_size "
        "--legacy_setting --logging_steps --device --seed --local_rank --rot --sc --aml_eval"
    ),
    "graphormer": (
        "run_gphmer_bodymesh.py run_hand_multiscale.py run_gphmer_bodymesh_inference.py "
        "run_gphmer_handmesh_inference.py --val_yaml --arch --num_workers "
        "--per_gpu_eval_batch_size --num_hidden_layers --num_attention_heads --input_feat_dim "
        "--hidden_feat_dim --run_eval_only --resume_checkpoint --multiscale_inference "
        "--model_path --image_file_or_path --nproc_per_node --which_gcn --mesh_type "
        # run_gphmer_bodymesh.py, run_gphmer_handmesh.py of MeshGraphormer 27f7cdb
        "run_gphmer_handmesh.py --data_dir --train_yaml --img_scale_factor --model_name_or_path "
        "--output_dir --config_name --per_gpu_train_batch_size --lr --learning_rate "
        "--num_train_epochs --vertices_loss_weight --joints_loss_weight --vloss_w_full "
        "--vloss_w_sub --vloss_w_sub2 --drop_out --hidden_size --intermediate_size "
        "--interm_size_scale --logging_steps --device --seed --local_rank --rot --sc --aml_eval"
    ),
    "fastmetro": (
        "run_fastmetro_bodymesh.py run_fastmetro_handmesh.py end2end_inference_bodymesh.py "
        "end2end_inference_handmesh.py --val_yaml --arch --model_name --num_workers "
        "--per_gpu_eval_batch_size --run_evaluation --resume_checkpoint --output_dir "
        "--use_smpl_param_regressor --run_eval_and_visualize --visualize_multi_view "
        "--use_opendr_renderer --image_file_or_path --nproc_per_node "
        # run_fastmetro_bodymesh.py, run_fastmetro_handmesh.py of FastMETRO c5ae206
        "--data_dir --train_yaml --img_scale_factor --saving_epochs --resume_epoch "
        "--resume_mpjpe_best_epoch --resume_mpjpe_best_mpvpe --resume_mpjpe_best_mpjpe "
        "--resume_mpjpe_best_pampjpe --resume_pampjpe_best_epoch --resume_pampjpe_best_mpvpe "
        "--resume_pampjpe_best_mpjpe --resume_pampjpe_best_pampjpe --per_gpu_train_batch_size "
        "--lr --learning_rate --lr_backbone --lr_drop --weight_decay --clip_max_norm "
        "--num_train_epochs --uniform --joints_2d_loss_weight --vertices_3d_loss_weight "
        "--edge_normal_loss_weight --joints_3d_loss_weight --vertices_fine_loss_weight "
        "--vertices_intermediate_loss_weight --vertices_coarse_loss_weight "
        "--edge_gt_loss_weight --edge_self_loss_weight --normal_loss_weight "
        "--smpl_param_loss_weight --model_dim_1 --model_dim_2 --feedforward_dim_1 "
        "--feedforward_dim_2 --conv_1x1_dim --transformer_dropout --transformer_nhead "
        "--pos_type --logging_steps --device --seed --local_rank --model_save --dist_url --exp "
        "--visualize_training --multiscale_inference --rot --sc --aml_eval"
    ),
    "hmr-benchmarks": (
        "tools/test.py tools/slurm_test.sh tools/dist_test.sh tools/get_flops.py "
        "demo/estimate_smpl.py --work-dir --out --metrics --gpu_collect --tmpdir --cfg-options "
        "--eval-options --launcher --local_rank --device --shape --size-divisor "
        "--single_person_demo --multi_person_demo --det_config --det_checkpoint --det_cat_id "
        "--tracking_config --body_model_dir --input_path --output --show_path --render_choice "
        "--palette --bbox_thr --draw_bbox --smooth_type --speed_up_type --focal_length "
        # tools/train.py, dist_train.sh, slurm_train.sh of hmr-benchmarks 6d782f0
        "tools/train.py tools/dist_train.sh tools/slurm_train.sh --resume-from --no-validate "
        "--gpus --gpu-ids --seed --deterministic --options PARTITION JOB_NAME CONFIG GPUS "
        "GPUS_PER_NODE CPUS_PER_TASK SRUN_ARGS PORT hmr/resnet50_hmr_pw3d.py "
        "hmr/resnet50_hmr_pw3d_e50_cache.py datasets/resnet50_hmr_DATASET.py "
        "mixed/resnet50_hmr_mixN.py mixed-l1/resnet50_hmr_mixN_l1.py "
        "backbones/BACKBONE_hmr_pw3d.py pretrained-backbones/BACKBONE_hmr_START.py "
        "augmentation/resnet50_hmr_WHAT_DATA.py combine/BACKBONE_hmr_mixN_coco_l1.py "
        "spin/resnet50_spin_pw3d.py pare/hrnet_w32_conv_pare_coco.py "
        "pare/hrnet_w32_conv_pare_mix.py pare/hrnet_w32_conv_pare_mix_no_mosh.py"
    ),
    "osx": (
        "test.py demo.py slurm_test.sh --gpu --exp_name --test_batch_size --encoder_setting "
        "--decoder_setting --model_type --testset --agora_benchmark --pretrained_model_path "
        "--img_path --output_folder JOB_NAME NUM_GPU TRAIN_OUTPUT_DIR CKPT_ID "
        # main/train.py of OSX 14b1cb4; slurm_train.sh and train.py of SMPLer-X
        "train.py --lr --continue --num_thread --end_epoch --train_batch_size "
        "--ubody_benchmark trainset_3d trainset_2d train_sample_interval lr_mult "
        "smplx_loss_weight print_iters encoder_pretrained_model_path slurm_train.sh CONFIG_FILE "
        "--num_gpus --master_port --config"
    ),
    "mp2022": (
        "scripts/main.py --cfg configs/baseline_test.yaml TRAINING.PRETRAINED_LIT --fdr "
        "test_pred_joints.csv "
        # README; hps_core/core/config.py of public copies
        "configs/baseline.yaml configs/pare-hrnet.yaml logs LOG_DIR METHOD EXP_NAME RUN_TEST "
        "PROJECT_NAME SEED_VALUE DATASET.LOAD_TYPE DATASET.BATCH_SIZE DATASET.NUM_WORKERS "
        "DATASET.PIN_MEMORY DATASET.SHUFFLE_TRAIN DATASET.TRAIN_DS DATASET.VAL_DS "
        "DATASET.NUM_IMAGES DATASET.TRAIN_NUM_IMAGES DATASET.TEST_NUM_IMAGES DATASET.IMG_RES "
        "DATASET.RENDER_RES DATASET.MESH_COLOR DATASET.FOCAL_LENGTH DATASET.IGNORE_3D "
        "DATASET.DATASETS_AND_RATIOS OPTIMIZER.TYPE OPTIMIZER.LR OPTIMIZER.WD TRAINING.RESUME "
        "TRAINING.PRETRAINED TRAINING.MAX_EPOCHS TRAINING.LOG_SAVE_INTERVAL "
        "TRAINING.LOG_FREQ_TB_IMAGES TRAINING.CHECK_VAL_EVERY_N_EPOCH "
        "TRAINING.RELOAD_DATALOADERS_EVERY_EPOCH TRAINING.TEST_BEFORE_TRAINING "
        "TRAINING.SAVE_IMAGES TRAINING.USE_AMP TESTING.SAVE_IMAGES TESTING.SAVE_FREQ "
        "TESTING.SAVE_RESULTS TESTING.SAVE_MESHES TESTING.SIDEVIEW TESTING.TEST_ON_TRAIN_END "
        "TESTING.MULTI_SIDEVIEW TESTING.USE_GT_CAM HMR.SHAPE_LOSS_WEIGHT "
        "HMR.KEYPOINT_LOSS_WEIGHT HMR.KEYPOINT_NATIVE_LOSS_WEIGHT HMR.SMPL_PART_LOSS_WEIGHT "
        "HMR.POSE_LOSS_WEIGHT HMR.BETA_LOSS_WEIGHT HMR.OPENPOSE_TRAIN_WEIGHT "
        "HMR.GT_TRAIN_WEIGHT HMR.LOSS_WEIGHT"
    ),
}
