"""One of FastMETRO's two transformers: image tokens are encoded, joint and vertex tokens decoded.

Norms come first, attention adds, and a last norm closes encoder and decoder. Batch comes first.
"""

from torch import Tensor, nn
from torch.nn import functional

from hps_models.fastmetro.attention import Attention

MLP = 4  # hidden units for each unit of width


class EncoderLayer(nn.Module):
    """Self-attention of camera and image tokens; values carry no position."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads, dropout)
        self.linear1 = nn.Linear(width, MLP * width)
        self.linear2 = nn.Linear(MLP * width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, position: Tensor) -> Tensor:
        """hidden (B,1+M,C), position (1+M,C) with a row of zeros first -> hidden (B,1+M,C)."""
        normed = self.norm1(hidden)
        query, key = self.self_attn.project(normed + position, 0, 2)
        (value,) = self.self_attn.project(normed, 2, 3)
        hidden = hidden + self.dropout(self.self_attn.attend(query, key, value, None))
        inner = self.dropout(functional.relu(self.linear1(self.norm2(hidden))))
        added: Tensor = self.dropout(self.linear2(inner))
        return hidden + added


class DecoderLayer(nn.Module):
    """Masked self-attention of joint and vertex tokens, then attention to the image tokens."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads, dropout)
        self.multihead_attn = Attention(width, heads, dropout)
        self.linear1 = nn.Linear(width, MLP * width)
        self.linear2 = nn.Linear(MLP * width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.norm3 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def among_tokens(self, hidden: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
        """hidden (B,N,C), allowed (N,N) -> hidden (B,N,C), queries to the image (B,heads,N,D).

        Nothing of the image takes part: the first layer does the same for every image.
        """
        query, key, value = self.self_attn.project(self.norm1(hidden), 0, 3)
        hidden = hidden + self.dropout(self.self_attn.attend(query, key, value, allowed))
        (query,) = self.multihead_attn.project(self.norm2(hidden), 0, 1)
        return hidden, query

    def forward(self, hidden: Tensor, query: Tensor, memory: Tensor, keys: Tensor) -> Tensor:
        """hidden (B,N,C), query (B,heads,N,D), memory and memory + position (B,M,C) -> (B,N,C)."""
        (key,) = self.multihead_attn.project(keys, 1, 2)
        (value,) = self.multihead_attn.project(memory, 2, 3)
        query = query.expand(memory.shape[0], -1, -1, -1)
        hidden = hidden + self.dropout(self.multihead_attn.attend(query, key, value, None))
        inner = self.dropout(functional.relu(self.linear1(self.norm3(hidden))))
        added: Tensor = self.dropout(self.linear2(inner))
        return hidden + added


class Encoder(nn.Module):
    """Layers and the closing norm."""

    def __init__(self, layers: int, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, hidden: Tensor, position: Tensor) -> Tensor:
        """hidden (B,1+M,C), position (M,C) of all but the first token -> hidden (B,1+M,C)."""
        position = functional.pad(position, (0, 0, 1, 0))
        for layer in self.layers:
            hidden = layer(hidden, position)
        normed: Tensor = self.norm(hidden)
        return normed


Start = tuple[Tensor, Tensor]  # hidden (B,N,C) and queries to the image (B,heads,N,D)


class Decoder(nn.Module):
    """Layers and the closing norm; tokens are content, there is no position among them."""

    def __init__(self, layers: int, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def start(self, hidden: Tensor, allowed: Tensor) -> Start:
        """hidden (B,N,C), allowed (N,N) -> what the first layer does before it sees the image."""
        first: DecoderLayer = self.layers[0]  # type: ignore[assignment]
        return first.among_tokens(hidden, allowed)

    def forward(self, start: Start, memory: Tensor, position: Tensor, allowed: Tensor) -> Tensor:
        """start (of one or B images), memory (B,M,C), position (M,C), allowed (N,N) -> (B,N,C)."""
        keys = memory + position
        hidden, query = start
        for index, layer in enumerate(self.layers):
            if index:
                hidden, query = layer.among_tokens(hidden, allowed)  # type: ignore[operator]
            hidden = layer(hidden, query, memory, keys)
        normed: Tensor = self.norm(hidden)
        return normed


class Transformer(nn.Module):
    """Encoder of camera and image tokens, decoder of joint and vertex tokens."""

    def __init__(self, layers: int, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.encoder = Encoder(layers, width, heads, dropout)
        self.decoder = Decoder(layers, width, heads, dropout)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(
        self, places: Tensor, tokens: Tensor | Start, position: Tensor, allowed: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Camera and image tokens (B,1+M,C), tokens (B,N,C) or their start -> both (B,1+M or N,C).

        The decoder does not see the camera token.
        """
        encoded = self.encoder(places, position)
        start = self.decoder.start(tokens, allowed) if isinstance(tokens, Tensor) else tokens
        return encoded, self.decoder(start, encoded[:, 1:], position, allowed)
