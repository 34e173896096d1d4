"""A tiny random model of every class that transformers calls causal, as far as it can be shrunk."""

from __future__ import annotations

SIZES = {
    **dict.fromkeys(
        ("hidden_size", "n_embd", "d_model", "dim", "emb_dim", "embed_dim", "embedding_size"), 32
    ),
    **dict.fromkeys(
        ("num_hidden_layers", "n_layer", "num_layers", "n_layers", "encoder_layers"), 2
    ),
    "decoder_layers": 3,
    **dict.fromkeys(("num_attention_heads", "n_head", "num_heads", "n_heads"), 4),
    "encoder_attention_heads": 4,
    **dict.fromkeys(("decoder_attention_heads", "num_key_value_heads", "attention_heads"), 4),
    **dict.fromkeys(
        ("intermediate_size", "d_ff", "ffn_dim", "n_inner", "dff", "decoder_ffn_dim"), 64
    ),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), 32),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"), 128),
    **dict.fromkeys(("num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "moe_top_k", "moe_k", "top_k_experts"), 2),
    **dict.fromkeys(("q_lora_rank", "kv_lora_rank", "o_lora_rank"), 16),
    **dict.fromkeys(("head_dim", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim"), 8),
    **dict.fromkeys(("n_group", "topk_group"), 1),
    **dict.fromkeys(("sliding_window", "window_size", "local_window_size", "attention_window"), 8),
    **dict.fromkeys(("state_size", "mamba_d_state", "ssm_state_size"), 8),
}
"""What the fields of a config are set to, where it has them."""


# fmt: off
_ENCODERS = (
    "bert", "bert-generation", "big_bird", "camembert", "data2vec-text", "electra", "ernie", "megatron-bert", "rembert",
    "roberta", "roberta-prelayernorm", "roformer", "xlm-roberta", "xlm-roberta-xl", "xmod",
)
# fmt: on

ENDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}

OWN = {
    **{kind: {"is_decoder": True} for kind in _ENCODERS},
    "bamba": {"mamba_n_heads": 8, "mamba_d_head": 8},
    "dots1": {"n_shared_experts": 1, "first_k_dense_replace": 1},
    "gemma3n_text": {"num_hidden_layers": 5, "num_kv_shared_layers": 0, "vocab_size_per_layer_input": 500,
                     "hidden_size_per_layer_input": 8, "layer_types": None, "activation_sparsity_pattern": None},
    "gemma4_text": {"vocab_size_per_layer_input": 500, "hidden_size_per_layer_input": 8},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "granitemoehybrid": {"mamba_n_heads": 8, "mamba_d_head": 8},
    "codegen": {"rotary_dim": 8},
    "gptj": {"rotary_dim": 8},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "mamba2": {"num_heads": 8, "head_dim": 8},
    "reformer": {"is_decoder": True, "axial_pos_embds_dim": [16, 16], "axial_pos_shape": [8, 16], 
                 "attn_layers": ["local", "local"],
                 "feed_forward_size": 64, "attention_head_size": 8, "local_attn_chunk_length": 8},
    "roc_bert": {"is_decoder": True, "pronunciation_vocab_size": 20, "shape_vocab_size": 20,
                 "pronunciation_embed_dim": 8, "shape_embed_dim": 8},
    "zamba": {"layer_types": ["mamba", "hybrid"], "layers_block_type": ["mamba", "hybrid"]},
    "zamba2": {"layer_types": ["mamba", "hybrid"], "layers_block_type": ["mamba", "hybrid"]},
    "xlm": {"causal": True, "pad_index": 0},
    "xmod": {"is_decoder": True, "default_language": "en_XX"},
    "zaya": {"num_experts_per_tok": 1},
}  # fmt: skip
"""What single classes need beside."""


def causal_types() -> list[str]:
    """Every model type that transformers has a causal language model for."""
    from transformers.models.auto import modeling_auto

    return sorted(modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def tiny_config(kind: str, vocabulary: int, **more):
    """The config of a model type with every size it has set small."""
    import inspect

    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    cls = CONFIG_MAPPING[kind]
    known: set[str] = set()
    for base in cls.__mro__:
        known |= set(getattr(base, "__annotations__", ()))
        if "__init__" in vars(base) and base is not object:
            known |= set(inspect.signature(base.__init__).parameters)
    fields = {name: value for name, value in SIZES.items() if name in known}
    fields |= {"vocab_size": vocabulary, **ENDS, **OWN.get(kind, {}), **more}
    return cls(**fields)


_WRAPPER = "reads pictures or sound beside text; its text part is tested as {}"
_DECODER = "the text decoder of a model for sound or pictures, which needs their encoder's states"

NOT_TESTED: dict[str, str] = {
    "blt": "reads bytes in patches that a second model cuts; neither shrinks alone",
    "cohere_compass_text": "its default config names kinds of layers that it has no rotary embedding for",
    "cpmant": "its tokens see those behind them (a prefix model): refused in words",
    "dbrx": "its config cannot be built by this version of transformers",
    "hrm_text": "applies its two stacks in turn, so that its layers have no numbers: refused in words",
    "longcat_flash": "two blocks in one, so that its layers have no numbers: refused in words",
    "mimo_v2_flash": "its rotary width does not shrink",
    "prophetnet": "predicts several words at once from streams of its decoder",
    "trocr": _DECODER,
    "whisper": _DECODER,
    "xlnet": "reads in permuted order: its tokens see those behind them, refused in words",
    "zamba": "its shared block needs the layers of the full size",
    "emu3": _WRAPPER.format("llama, which it is"),
    "fuyu": _WRAPPER.format("persimmon"),
    "gemma3": _WRAPPER.format("gemma3_text"),
    "gemma3n": _WRAPPER.format("gemma3n_text"),
    "gemma4": _WRAPPER.format("gemma4_text"),
    "gemma4_assistant": "drafts tokens from the states of a larger gemma4",
    "gemma4_unified": _WRAPPER.format("gemma4_unified_text"),
    "gemma4_unified_assistant": "drafts tokens from the states of a larger gemma4",
    "git": _WRAPPER.format("a BERT that looks at the picture's tokens"),
    "got_ocr2": _WRAPPER.format("qwen2"),
    "llama4": _WRAPPER.format("llama4_text"),
    "mllama": _DECODER,
    "moss_transcribe_diarize": _WRAPPER.format("qwen3"),
    "musicgen": _DECODER,
    "musicgen_melody": _DECODER,
    "phi4_multimodal": _WRAPPER.format("phi3"),
    "qwen3_5": _WRAPPER.format("qwen3_5_text"),
    "qwen3_5_moe": _WRAPPER.format("qwen3_5_moe_text"),
    "qwen4_exp": _WRAPPER.format("qwen4_exp_text"),
    "dots3_note": _WRAPPER.format("dots3_note_text"),
}
"""Model types without a test of their own, and why."""
