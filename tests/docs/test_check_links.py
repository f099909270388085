"""The check of the links of a built site, on a site of two pages."""

from docs.check_links import main, problems

PAGE = """<link rel="stylesheet" href="style.css?v=1"><script src="{script}"></script>
<h1 id="top">A</h1><a href="b.html#there">b</a><a href="#top">top</a><a href="https://keras.io">k</a>
<a href="{link}">x</a><img src="data:image/png;base64,AA==">"""


def write(folder, script="s.js", link="b.html", style="a { background: url(data:x) }"):
    (folder / "index.html").write_text(PAGE.format(script=script, link=link))
    (folder / "b.html").write_text('<p id="there">b</p>')
    (folder / "s.js").write_text("")
    (folder / "style.css").write_text(style)
    return folder


def test_links_that_lead_somewhere(tmp_path, capsys):
    assert main(str(write(tmp_path))) == 0
    assert "All links" in capsys.readouterr().out


def test_links_that_lead_nowhere(tmp_path, capsys):
    assert problems(write(tmp_path, link="c.html")) == ["index.html: c.html"]
    assert problems(write(tmp_path, link="b.html#c")) == ["index.html: b.html#c"]
    assert problems(write(tmp_path, link="#c")) == ["index.html: #c"]
    assert problems(write(tmp_path, link="https://keras")) == ["index.html: https://keras"]
    assert main(str(tmp_path)) == 1


def test_files_that_need_a_network(tmp_path):
    url = "https://cdn.org/s.js"
    assert problems(write(tmp_path, script=url)) == [f"index.html: loads {url}"]
    style = "@font-face { src: url('//fonts.org/a.woff') }"
    assert problems(write(tmp_path, style=style)) == ["style.css: loads //fonts.org/a.woff"]
