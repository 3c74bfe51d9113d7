"""What the folders of a source mean for the images in them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from forebay.ingest.layout.tree import SourceFolder
from forebay.ingest.source_note import SourceNote
from forebay.text import count_noun


@dataclass(frozen=True, kw_only=True)
class ImageLabel:
    """The label and the split of an image, or of all images in a folder."""

    label: str | None = None
    split: str | None = None  # train or test
    no_label_reason: str = "outside every class folder"
    left_out: bool = False  # neither a class nor unlabelled: not read at all, which a note says


@dataclass
class FolderLayout:
    """What each folder of a source means."""

    labels: dict[str, ImageLabel] = field(default_factory=dict)  # by path of the folder
    notes: list[SourceNote] = field(default_factory=list)

    def assign(self, folder: SourceFolder, label: ImageLabel) -> None:
        """Give the images of a folder and of all folders below the same label."""
        self.labels |= {each.path: label for each in folder.walk()}

    def leave_out(self, folders: Iterable[SourceFolder], reason: str, advice: str = "") -> None:
        """Do not read these folders, and note why; `advice` is added for those with images."""
        for folder in folders:
            self.assign(folder, ImageLabel(left_out=True))
            images = folder.count_images()
            end = advice if images else ""
            self.note(f"The folder {folder.path}/ is left out ({count_noun(images, 'image')}): {reason}.{end}")

    def note(self, text: str, set_aside: int = 0) -> None:
        """Add a note."""
        self.notes.append(SourceNote(text, set_aside))
