"""Image files as cameras, scanners and other programs write them: read for what they are, or refused."""

import http.server
import io
import struct
import zlib

import numpy as np
import pytest
import rasterio
import tifffile
from PIL import Image, ImageCms, PngImagePlugin
from runs import serving
from test_raster import DEEP, PICTURE, PLANES, raster, rgb
from torch import nn

from rssr.base.errors import UserError
from rssr.base.files import read_image, write_image
from rssr.base.raster import open_raster
from rssr.steps.scenes import upscale_scene


def upscaled(source, out, **options):
    upscale_scene(nn.Upsample(scale_factor=2), source, out, 2, overlap=0, **options)
    return out


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(path, rows, colours, bits=8, interlaced=0, width=50, height=36):
    head = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, interlaced)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


@pytest.mark.parametrize("white", [1023, 4095, 65535])
@pytest.mark.parametrize("kind", ["P5", "P6"])
def test_deep_netpbm_files_keep_their_values(tmp_path, kind, white):
    pixels = np.minimum(DEEP.transpose(1, 2, 0), white)
    pixels = pixels[..., :1] if kind == "P5" else pixels
    (path := tmp_path / "a.ppm").write_bytes(f"{kind}\n50 36\n{white}\n".encode() + pixels.astype(">u2").tobytes())
    with open_raster(path, stretch=(0, white)) as image:
        np.testing.assert_array_equal(image.read((0, 0, 50, 36))[0], pixels.transpose(2, 0, 1))
    with pytest.raises(UserError, match="a.ppm has uint16 pixels.*: say which values are black and white"):
        rgb(path)


@pytest.mark.parametrize("photometric", ["separated", "cielab"])
def test_deep_colours_that_are_not_rgb_are_refused(tmp_path, photometric):
    planes = np.concatenate([DEEP, DEEP[:1]])[: 4 if photometric == "separated" else 3]
    tifffile.imwrite(tmp_path / "a.tif", planes.transpose(1, 2, 0), photometric=photometric, planarconfig="contig")
    with pytest.raises(
        UserError, match="a.tif has (CMYK|LAB) colours of uint16 in a form that is not read: save it as RGB"
    ):
        rgb(tmp_path / "a.tif", stretch=(0, 4000))


@pytest.mark.parametrize("alpha", ["YES", "PREMULTIPLIED"])
def test_printing_inks_beside_alpha_are_refused(tmp_path, alpha):
    raster(tmp_path / "a.tif", PLANES[[0, 1, 2, 0, 1]], photometric="CMYK", alpha=alpha)
    with pytest.raises(UserError, match="a.tif has CMYK colours of uint8 in a form that is not read: save it as RGB"):
        rgb(tmp_path / "a.tif")


def test_printing_inks_in_planes_are_read(tmp_path):
    inks = np.asarray(Image.fromarray(PICTURE).convert("CMYK")).transpose(2, 0, 1)
    for interleave in ("pixel", "band"):
        path = raster(tmp_path / "a.tif", inks, photometric="CMYK", interleave=interleave)
        assert np.abs(rgb(path)[0].astype(int) - PICTURE).max() <= 1


@pytest.mark.parametrize(("colours", "bits", "row"), [(0, 8, 50), (0, 2, 13), (2, 8, 150), (6, 8, 200), (2, 16, 300)])
def test_a_png_whose_rows_end_early_is_refused(tmp_path, colours, bits, row):
    rows = bytes([0, *[0x55] * row])
    options = {"stretch": (0, 65535)} if bits == 16 else {}
    assert not np.diff(rgb(png(tmp_path / "a.png", rows * 36, colours, bits), **options)[0][..., 0]).any()
    for count in (0, 20, 35):
        with pytest.raises(UserError, match="a.png cannot be read"):
            rgb(png(tmp_path / "a.png", rows * count, colours, bits), **options)


def test_an_interlaced_png_whose_last_passes_are_missing_is_refused(tmp_path):
    shapes = [(2, 2), (2, 2), (2, 4), (4, 4), (4, 8), (8, 8), (8, 16)]  # of 16x16
    parts = [b"".join(b"\0" + b"\x80" * width for _ in range(height)) for height, width in shapes]
    assert (rgb(png(tmp_path / "a.png", b"".join(parts), 0, 8, 1, 16, 16))[0] == 128).all()
    with pytest.raises(UserError, match="a.png cannot be read"):
        rgb(png(tmp_path / "a.png", b"".join(parts[:6]), 0, 8, 1, 16, 16))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_where_the_least_value_is_white(tmp_path, dtype):
    gray = PLANES[1:2].astype(dtype)
    path = raster(tmp_path / "a.tif", gray, photometric="MINISWHITE")
    for stretch in (None, (0, 255)) if dtype == "uint8" else ((0, 255),):
        np.testing.assert_array_equal(rgb(path, stretch=stretch)[0], 255 - PICTURE[..., [1, 1, 1]])
        seen = rgb(path, stretch=stretch)[0].repeat(2, 0).repeat(2, 1)
        for out in ("b.tif", "b.png"):
            target = upscaled(path, tmp_path / out, stretch=stretch, overwrite=True)
            values_kept = stretch and out == "b.png"  # of which a PNG cannot say that small ones are bright
            np.testing.assert_array_equal(rgb(target, stretch=stretch)[0], 255 - seen if values_kept else seen)
    with rasterio.open(tmp_path / "b.tif") as file:
        np.testing.assert_array_equal(file.read(), gray.repeat(2, 1).repeat(2, 2))


def test_the_thumbnail_before_an_image_is_not_the_image(tmp_path):
    small, pixels = PICTURE[::2, ::2].copy(), PICTURE
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(small, subfiletype=1, photometric="rgb", metadata=None)
        file.write(pixels, photometric="rgb", metadata=None)
    with tifffile.TiffWriter(tmp_path / "b.tif") as file:
        file.write(small, subfiletype=1, photometric="rgb", subifds=1, metadata=None)
        file.write(pixels, photometric="rgb", metadata=None)
    for name in ("a.tif", "b.tif"):
        with pytest.raises(UserError, match=f"{name} begins with a thumbnail: save the image itself"):
            rgb(tmp_path / name)
    tifffile.imwrite(tmp_path / "c.tif", small, subfiletype=1, photometric="rgb", metadata=None)
    np.testing.assert_array_equal(rgb(tmp_path / "c.tif")[0], small)


@pytest.mark.parametrize("imagej", [True, False])
def test_planes_behind_one_page_are_pages(tmp_path, imagej):
    stack = np.stack([PICTURE[..., 0]] * 3)
    for truncate in (True, False):
        tifffile.imwrite(tmp_path / "a.tif", stack, imagej=imagej, truncate=truncate, photometric="minisblack")
        with pytest.raises(UserError, match="a.tif has 3 pages, where one image is expected"):
            rgb(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "a.tif", stack[0], imagej=imagej, photometric="minisblack")
    np.testing.assert_array_equal(
        rgb(upscaled(tmp_path / "a.tif", tmp_path / "b.tif"))[0][::2, ::2], PICTURE[..., :1] + PICTURE * 0
    )


def test_overviews_and_masks_are_no_pages(tmp_path):
    path, tiles = tmp_path / "a.tif", {"tiled": True, "blockxsize": 16, "blockysize": 16}
    raster(path, PLANES, mask=np.full((36, 50), 255, np.uint8), photometric="RGB", **tiles)
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4])
    np.testing.assert_array_equal(rgb(path)[0], PICTURE)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_rasters_stand_upright_whatever_their_type(tmp_path, orientation):
    turned = {1: PICTURE, 3: np.rot90(PICTURE, 2), 6: np.rot90(PICTURE, -1), 8: np.rot90(PICTURE)}[orientation]
    tag = [(0x0112, "H", 1, orientation, True)]
    for pixels, options in (
        (PICTURE.astype("float32"), {"stretch": (0, 255)}),
        (PICTURE.astype("int16"), {"stretch": (0, 255)}),
        (PICTURE[..., [0, 1, 2, 0, 1]], {"bands": (1, 2, 3)}),
    ):
        kind = {"photometric": "minisblack", "planarconfig": "contig", "metadata": None}
        tifffile.imwrite(tmp_path / "a.tif", pixels, extratags=tag, **kind)
        np.testing.assert_array_equal(rgb(tmp_path / "a.tif", **options)[0], turned)


def test_a_palette_that_is_half_transparent_says_so(tmp_path):
    image = Image.fromarray(PICTURE).quantize(16)
    image.save(tmp_path / "a.png", transparency=bytes([128] * 16))
    with open_raster(tmp_path / "a.png") as raster:
        assert raster.validity == "alpha" and (raster.read((0, 0, 50, 36))[1] == 128).all()
    upscaled(tmp_path / "a.png", tmp_path / "b.png")
    assert (np.asarray(Image.open(tmp_path / "b.png"))[..., 3] == 128).all()


def test_a_palette_of_many_colours_is_refused(tmp_path):
    pixels, colours = PICTURE[..., 0].astype("uint16"), np.arange(3 * 65536, dtype="uint16").reshape(3, -1)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="palette", colormap=colours)
    with pytest.raises(UserError, match="a.tif has a palette for uint16 pixels: save it as RGB"):
        rgb(tmp_path / "a.tif", stretch=(0, 65535))


def test_damaged_polynomials_are_none(tmp_path):
    path = raster(tmp_path / "a.tif", PLANES, photometric="RGB")
    keys = "ERR_BIAS ERR_RAND LINE_OFF SAMP_OFF LAT_OFF LONG_OFF HEIGHT_OFF LINE_SCALE SAMP_SCALE LAT_SCALE LONG_SCALE"
    facts = dict.fromkeys([*keys.split(), "HEIGHT_SCALE"], "1") | {"LINE_OFF": "abc"}
    facts |= {f"{axis}_{part}_COEFF": " ".join("1" * 20) for axis in ("LINE", "SAMP") for part in ("NUM", "DEN")}
    items = "".join(f'<MDI key="{key}">{value}</MDI>' for key, value in facts.items())
    (tmp_path / "a.tif.aux.xml").write_text(f'<PAMDataset><Metadata domain="RPC">{items}</Metadata></PAMDataset>')
    np.testing.assert_array_equal(rgb(upscaled(path, tmp_path / "b.tif"))[0][::2, ::2], PICTURE)


def test_long_notes_and_profiles_of_colours_are_no_damage(tmp_path):
    notes, profile = PngImagePlugin.PngInfo(), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    notes.add_text("note", "abc " * 700_000, zip=True)
    Image.fromarray(PICTURE).save(path := tmp_path / "a.png", pnginfo=notes, icc_profile=profile + bytes(3_000_000))
    np.testing.assert_array_equal(rgb(path)[0], PICTURE)
    np.testing.assert_array_equal(read_image(path), PICTURE)


@pytest.mark.parametrize("exif", [bytes(40), b"", b"II*\0\xff\xff\0\0", b"II*\0\x08\0\0\0\xff\xff", b"nonsense"])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_damaged_exif_beside_whole_pixels_is_none(tmp_path, suffix, exif):
    picture = Image.fromarray(PICTURE)
    picture.save(path := tmp_path / f"a.{suffix}", **({"exif": b"Exif\0\0" + exif} if suffix == "jpg" else {}))
    if suffix == "png":
        content = path.read_bytes()
        path.write_bytes(content[:33] + chunk(b"eXIf", exif) + content[33:])
    picture.save(plain := io.BytesIO(), {"jpg": "jpeg"}.get(suffix, suffix))
    np.testing.assert_array_equal(rgb(path)[0], np.asarray(Image.open(plain)))


def test_floats_with_comments_and_a_last_line(tmp_path):
    pixels = (PICTURE / 255).astype("<f4")[::-1].tobytes()
    for head in (b"PF\n50 36\n-1.0\n", b"PF\n# made by hand\n50 36\n# its order\n-1\n", b"PF 50 36 -1 "):
        for end in (b"", b"\n", b"\r\n"):
            (tmp_path / "a.pfm").write_bytes(head + pixels + end)
            np.testing.assert_array_equal(rgb(tmp_path / "a.pfm", stretch=(0, 1))[0], PICTURE)
    for content in (
        b"PF\n50\n",
        b"PF\n50 36\n-1\n" + pixels[:-4],
        b"PF\n0 36\n-1\n",
        b"PF\n50 36\n-1\n" + pixels + b"more",
    ):
        (tmp_path / "a.pfm").write_bytes(content)
        with pytest.raises(UserError, match=r"a.pfm cannot be read as an image \([a-z ]+.*\): replace"):
            rgb(tmp_path / "a.pfm", stretch=(0, 1))


@pytest.mark.parametrize("address", ["{}/a.tif", "/vsicurl/{}/a.tif"])
def test_what_lies_beside_an_image_asks_no_address(tmp_path, address):
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

    write_image(tmp_path / "a.png", np.full((30, 20, 3), 7, np.uint8))
    with serving(Handler) as server:
        entry = f'<MDI key="OVERVIEW_FILE">{address.format(server.url)}</MDI>'
        text = f'<PAMDataset><Metadata domain="OVERVIEWS">{entry}</Metadata></PAMDataset>'
        (tmp_path / "a.png.aux.xml").write_text(text)
        with open_raster(tmp_path / "a.png") as image:
            assert (image.rgb((0, 0, 20, 30))[0] == 7).all() and not image.file.overviews(1)
    assert not asked


def test_luma_and_chroma_of_jpeg_2000_become_red_green_and_blue(tmp_path):
    Image.fromarray(PICTURE).convert("YCbCr").save(path := tmp_path / "a.jp2")
    assert np.abs(rgb(path)[0].astype(int) - PICTURE).max() <= 3  # YCbCr is rounded
    seen = rgb(path)[0].repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(rgb(upscaled(path, tmp_path / "b.png"))[0], seen)
    raster(tmp_path / "a.tif", PLANES.repeat(8, 1).repeat(8, 2), photometric="RGB")
    rasterio.shutil.copy(tmp_path / "a.tif", path, driver="JP2OpenJPEG", YCBCR420="YES", QUALITY="100")
    with open_raster(path) as image:  # GDAL knows halved chroma
        assert image.by_windows and np.abs(image.rgb((0, 0, *image.size))[0].astype(int) - read_image(path)).max() <= 1


@pytest.mark.parametrize(("dtype", "count"), [("uint8", 4), ("uint16", 3)])
def test_luma_and_chroma_that_pillow_does_not_give_whole_are_refused(tmp_path, dtype, count):
    raster(tmp_path / "a.tif", DEEP[[0, 1, 2, 0][:count]].astype(dtype), photometric="RGB")
    rasterio.shutil.copy(tmp_path / "a.tif", path := tmp_path / "a.jp2", driver="JP2OpenJPEG")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\0\0\0\x10", b"\0\0\0\x12", 1))  # sRGB
    assert path.read_bytes() != content
    with pytest.raises(UserError, match=f"a.jp2 has sYCC colours of {dtype} in a form that is not read: save it as"):
        rgb(path, stretch=(0, 3060))
