"""Large pictures as SAHI reads them (Akyon et al. 2022): its slices and merging, our network."""

from __future__ import annotations

from typing import Any

import numpy as np
from sahi.models.base import DetectionModel
from sahi.predict import get_sliced_prediction
from sahi.prediction import ObjectPrediction
from sahi.utils.compatibility import fix_full_shape_list, fix_shift_amount_list

from sweepnet_service.detectors.image import Detections, ImageDetector
from sweepnet_service.detectors.image.pixels import Picture

OVERLAP = 0.2


class Sliced(DetectionModel):  # type: ignore[misc]
    """A detector of ours as SAHI calls one: a slice in, its boxes out."""

    def set_device(self, device: str | None = None) -> None:
        """Ours runs where NumPy does."""
        self.device = "cpu"

    def load_model(self) -> None:
        """It is given."""

    def set_model(self, model: Any, **_: Any) -> None:
        """The detector."""
        self.model, self.category_mapping = model, dict(enumerate(model.labels))

    def perform_inference(self, image: Any) -> None:
        """Boxes of one slice (H, W, 3)."""
        pixels = np.ascontiguousarray(image)
        self._original_predictions = self.model.detect(
            Picture(pixels, image.shape[1], image.shape[0])
        )

    def _create_object_prediction_list_from_original_predictions(
        self, shift_amount_list: Any = None, full_shape_list: Any = None
    ) -> None:
        found: Detections = self._original_predictions
        shift = fix_shift_amount_list(shift_amount_list or [[0, 0]])[0]
        whole = fix_full_shape_list(full_shape_list)[0] if full_shape_list else None
        self._object_prediction_list_per_image = [
            [
                ObjectPrediction(
                    bbox=[box.x_min_px, box.y_min_px, box.x_max_px, box.y_max_px],
                    category_id=0,
                    category_name=box.label,
                    score=box.score,
                    shift_amount=shift,
                    full_shape=whole,
                )
                for box in found.boxes
            ]
        ]


def boxes_in_slices(detector: ImageDetector, picture: Picture) -> int:
    """How many boxes are left of all slices, as large as the detector's input, and the whole."""
    told = get_sliced_prediction(
        picture.pixels,
        Sliced(model=detector, confidence_threshold=0.0),
        slice_height=detector.size_px,
        slice_width=detector.size_px,
        overlap_height_ratio=OVERLAP,
        overlap_width_ratio=OVERLAP,
        postprocess_type="NMS",
        postprocess_match_metric="IOU",
        verbose=0,
    )
    return len(told.object_prediction_list)
