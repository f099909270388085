"""The command prints a table, also with failed and missing measurements."""


def test_table_with_failures_and_without_peers(tmp_path, monkeypatch, capsys):
    import run
    from harness.process import TaskFailed

    class Broken:
        """A row that fails."""

        @staticmethod
        def lines(runner):
            yield run.Line("grouped", "a case", "1", met=False)
            raise TaskFailed("no memory")

    monkeypatch.setitem(run.ROWS, "grouped", Broken)
    monkeypatch.setattr(run.Runner, "matrix_rate", lambda self: self.matrix_rates.append(2e11))
    file = tmp_path / "table.md"
    assert run.main(["--rows", "grouped", "--write", str(file)]) == 0
    text = file.read_text(encoding="utf-8")
    assert "a case" in text
    assert "failed: no memory" in text
    assert "| DeepCTR " in text
    assert "not measured: no --peers FOLDER" in text
    assert "200 GFLOP/s" in text
    assert "A row that fails." in text
    assert capsys.readouterr().out.strip() in text


def test_every_row_has_a_module():
    import run

    for name, module in run.ROWS.items():
        assert module.__name__ == f"rows.{name}"
        assert module.__doc__.startswith(f"{name}: ")
    assert set(run.QUICK) < set(run.ROWS)
