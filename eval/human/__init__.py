"""What people say of the answers: blinded forms out, ratings in.

    samples.parquet -> study: items, blinded by seed -> key.parquet (which system said what) and, for each
    rater, a Form -> forms/: CSV, XLSX, a page -> people -> returned.py: checked ratings, unblinded by the key
    -> human_scores.py (agreement.py) and preference_pairs.py

human_folder.py is RUN/human: read it first.
"""
